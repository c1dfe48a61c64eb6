"""Passivation: idle actors are sent to rest by age, and by number when there are too many.

A sweep looks at timestamps instead of arming a timeout around every receive, which would
double the price of a message. It only asks: the actor itself decides between two messages, so
nothing that arrives meanwhile is lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

import trio

from actors.runtime.cell import Cell
from actors.runtime.registry import Registry
from actors.runtime.signals import StopReason

_SLICE = 500
"""Cells looked at, or stopped, before other tasks get their turn."""


def due_by_age(cells: Iterable[Cell], idle_since: float) -> list[Cell]:
    """The idle cells that were last active at or before ``idle_since``."""
    return [cell for cell in cells if cell.last_active <= idle_since and cell.is_idle]


def due_by_number(cells: Sequence[Cell], max_active: int | None) -> list[Cell]:
    """The least recently used idle cells to end, so that ``max_active`` remain.

    A twentieth more than needed, so that the next activation does not call for the next sweep.
    """
    if max_active is None or len(cells) <= max_active:
        return []
    excess = len(cells) - max_active + max_active // 20
    idle = (cell for cell in cells if cell.is_idle)
    return heapq.nsmallest(excess, idle, key=attrgetter("last_active"))


class Sweeper:
    """The task that passivates the idle actors of all kinds."""

    def __init__(self, registries: Callable[[], Iterable[Registry]], every_seconds: float) -> None:
        self._registries = registries
        self._every_seconds = every_seconds
        self._soon_seconds = min(0.05, every_seconds)
        self._sleep = trio.CancelScope()
        self._is_crowded = False

    def hurry(self) -> None:
        """Sweep soon: a kind has more actors than it should. Atomic."""
        self._is_crowded = True  # for a sweep that is under way: it may have passed the crowd
        self._sleep.deadline = min(self._sleep.deadline, trio.current_time() + self._soon_seconds)

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            seconds = self._soon_seconds if self._is_crowded else self._every_seconds
            with trio.move_on_after(seconds) as self._sleep:
                await trio.sleep_forever()
            self._is_crowded = False
            for registry in tuple(self._registries()):
                await self.sweep(registry)

    async def sweep(self, registry: Registry) -> None:
        """Ask the actors of one kind that are due to rest."""
        props = registry.kind.props
        cells = registry.cells()
        due = due_by_number(cells, props.max_active)
        idle_since = trio.current_time() - props.idle_after_seconds
        for start in range(0, len(cells), _SLICE):
            due += due_by_age(cells[start : start + _SLICE], idle_since)
            await trio.lowlevel.checkpoint()
        for start in range(0, len(due), _SLICE):
            for cell in due[start : start + _SLICE]:
                # It may have been active while we let others run: it decides.
                if cell.stop_reason is None:
                    cell.stop(StopReason.IDLE)
            await trio.lowlevel.checkpoint()
