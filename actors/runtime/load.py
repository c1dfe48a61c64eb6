"""How loaded the actors of each kind are: one walk over all cells, a slice at a time.

A sleeping actor costs the walk a look at its state, and other tasks get their turn in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from actors.runtime.cell import Cell, CellState
from actors.runtime.registry import Registry

SLICE_CELLS: Final = 5_000


@dataclass(slots=True)
class KindLoad:
    """The running actors of one kind, during a walk; actors that came meanwhile may be missing."""

    kind: str
    waiting: int = 0
    """Messages in all mailboxes."""
    deepest: int = 0
    """In the fullest of them."""
    capacity: int = 0
    """What a mailbox of this kind holds."""
    oldest_seconds: float = 0.0
    """How long the message has waited that has waited longest."""
    longest_seconds: float = 0.0
    """How long the message is being handled that has been for longest."""
    states: dict[str, int] = field(default_factory=dict)
    """Actors by what they are doing."""


async def measure(registry: Registry, clock: Callable[[], float]) -> KindLoad:
    """Walk over a kind's cells."""
    load = KindLoad(registry.name, capacity=registry.kind.props.capacity)
    states: Counter[str] = Counter()
    cells = registry.cells()
    for start in range(0, len(cells), SLICE_CELLS):
        if start:
            await trio.lowlevel.checkpoint()
        now = clock()
        for cell in cells[start : start + SLICE_CELLS]:
            if cell.state is not CellState.IDLE:
                states[cell.state.value] += 1
                _add(load, cell, now)
    states[CellState.IDLE.value] = len(cells) - states.total()
    load.states = {state.value: states[state.value] for state in CellState}
    return load


def _add(load: KindLoad, cell: Cell, now: float) -> None:
    depth = cell.mailbox.depth
    load.waiting += depth
    load.deepest = max(load.deepest, depth)
    if cell.current:
        load.longest_seconds = max(load.longest_seconds, now - cell.current_since)
    oldest = cell.mailbox.peek()
    if oldest is not None:
        load.oldest_seconds = max(load.oldest_seconds, now - oldest.sent_at)
