"""Services of the static tree: they start in order, stop in reverse, and restart when they fail.

A service object outlives its runs: whoever holds it keeps a valid reference over a restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import trio

from storage.commands import AnyCommand, Outcome
from storage.errors import Unavailable
from storage.writer import GroupWriter
from storage.writer_counts import WriterStatistics


class Writing:
    """The group writer as a supervised service; implements ``storage.commands.EventAppender``.

    Each run has a writer of its own: one that crashed has answered everybody who waited, and
    its state is worth nothing.
    """

    def __init__(self, make: Callable[[], GroupWriter]) -> None:
        self._make = make
        self._writer: GroupWriter | None = None

    async def append(
        self, commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        """Hand commands to the running writer; see ``EventAppender.append``."""
        if self._writer is None:
            raise Unavailable("the writer has not started")
        return await self._writer.append(commands, request_ids)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run a new writer until ``aclose``."""
        self._writer = self._make()
        await self._writer.run(task_status=task_status)

    async def aclose(self) -> None:
        """Commit what waits, then let ``run`` return."""
        if self._writer is not None:
            await self._writer.aclose()

    def statistics(self) -> WriterStatistics | None:
        """Give the running writer's counts; None before the first run."""
        return None if self._writer is None else self._writer.statistics()


class Loop(Protocol):
    """Something that runs until it is cancelled, and loses nothing by that."""

    def run(self, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]:
        """Call ``task_status.started()`` when ready; never return."""
        ...


class Endless:
    """A loop as a supervised service; ``farewell`` is awaited before it is cancelled."""

    def __init__(self, loop: Loop, farewell: Callable[[], Awaitable[None]] | None = None) -> None:
        self._loop = loop
        self._farewell = farewell
        self._scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the loop until ``aclose``."""
        with trio.CancelScope() as self._scope:
            await self._loop.run(task_status=task_status)

    async def aclose(self) -> None:
        """Cancel the loop; beside its farewell it has nothing to finish."""
        if self._farewell is not None:
            await self._farewell()
        self._scope.cancel(reason="its service is being stopped")
        await trio.lowlevel.checkpoint()
