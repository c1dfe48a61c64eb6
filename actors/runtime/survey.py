"""Looking through all running actors, a slice at a time, so that nobody waits for it.

`ActorSystem.snapshot` is one moment and blocks the loop while it is taken; a survey of a
hundred thousand actors gives others their turn between slices. Its rows are therefore of
slightly different moments, and an actor that ends meanwhile may be missing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Literal

import trio

from actors.runtime.address import Address
from actors.runtime.cell import Cell, CellState
from actors.runtime.registry import Registry
from actors.runtime.status import ActorStatus, describe_cell

SLICE = 200
"""Actors looked at before other tasks get their turn: about a millisecond."""
_NEWCOMER_SECONDS = 10.0

Sort = Literal["busiest", "depth", "current", "oldest", "handled", "restarts", "idle", "address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Which actors to look at, in which order, and which part of the list to give."""

    kind: str | None = None
    state: str | None = None
    parent: str | None = None
    """The node of the tree they hang on: their kind."""
    text: str | None = None
    """Part of the printed address, upper or lower case."""
    sort: Sort = "busiest"
    """The largest first, but by address the smallest. Busiest: the share of its life that an
    actor spent in its handler, with newcomers counted as if they were 10 s older."""
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class SurveyPage:
    """A part of the list."""

    total: int
    """Actors that match, on all pages."""
    actors: tuple[ActorStatus, ...]


# Any: ranks of one survey are all floats or all tuples that compare with each other.
_Ranked = tuple[Any, int, Cell]


async def survey(
    registries: Sequence[Registry], asked: Survey, clock: Callable[[], float]
) -> SurveyPage:
    """Look through the cells. Checkpoint: after every `SLICE` of them."""
    rank, order = _RANKS[asked.sort], count()
    wanted = asked.offset + asked.limit
    runs: list[list[_Ranked]] = []
    total = 0
    for registry in registries:
        if asked.kind not in (None, registry.name) or asked.parent not in (None, registry.name):
            continue
        cells = registry.cells()
        for start in range(0, len(cells), SLICE):
            now = clock()
            run = [
                (rank(cell, now), next(order), cell)
                for cell in cells[start : start + SLICE]
                if matches(cell, asked)
            ]
            total += len(run)
            run.sort()
            runs.append(run[:wanted])
            await trio.lowlevel.checkpoint()
    merged = heapq.merge(*runs)
    await _skip(merged, asked.offset)
    return SurveyPage(total, await _describe(merged, asked.limit, clock))


def matches(cell: Cell, asked: Survey) -> bool:
    """Whether a cell of the right kind is asked for."""
    if asked.state is not None and cell.state.value != asked.state:
        return False
    return asked.text is None or asked.text.lower() in str(cell.address).lower()


async def _skip(ranked: Iterator[_Ranked], number: int) -> None:
    for _ in range(0, number, SLICE):
        if not list(islice(ranked, min(SLICE, number))):
            return
        number -= SLICE
        await trio.lowlevel.checkpoint()


async def _describe(
    ranked: Iterator[_Ranked], limit: int, clock: Callable[[], float]
) -> tuple[ActorStatus, ...]:
    rows: list[ActorStatus] = []
    while limit > 0 and (cells := [cell for _, _, cell in islice(ranked, min(SLICE, limit))]):
        limit -= len(cells)
        now = clock()
        durations = durations_of(cells)
        rows += (
            describe_cell(cell, now, durations.get(cell.address, ()))
            for cell in cells
            if cell.state is not CellState.STOPPED
        )
        await trio.lowlevel.checkpoint()
    return tuple(rows)


def durations_of(cells: Sequence[Cell]) -> dict[Address, list[float]]:
    """What the flight recorders still hold of these actors: seconds per message."""
    by_kind: dict[str, list[Cell]] = {}
    for cell in cells:
        by_kind.setdefault(cell.kind.name, []).append(cell)
    found: dict[Address, list[float]] = {}
    for group in by_kind.values():
        found.update(group[0].kind.recorder.durations({cell.address for cell in group}))
    return found


def _busiest(cell: Cell, now: float) -> float:
    busy = cell.busy_seconds + (now - cell.current_since if cell.current else 0.0)
    return -busy / (trio.current_time() - cell.started_at + _NEWCOMER_SECONDS)


def _oldest(cell: Cell, now: float) -> float:
    head = cell.mailbox.peek()
    return 0.0 if head is None else head.sent_at - now


def _by_address(cell: Cell, _now: float) -> tuple[str, bool, object]:
    kind, key = cell.address
    return kind, isinstance(key, str), key


_RANKS: dict[Sort, Callable[[Cell, float], object]] = {
    "busiest": _busiest,
    "depth": lambda cell, _: -cell.mailbox.depth,
    "current": lambda cell, now: cell.current_since - now if cell.current else 0.0,
    "oldest": _oldest,
    "handled": lambda cell, _: -cell.handled,
    "restarts": lambda cell, _: -cell.restarts,
    "idle": lambda cell, _: cell.last_active if cell.is_idle else float("inf"),
    "address": _by_address,
}
