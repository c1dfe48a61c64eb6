"""Arrivals: before somebody attaches, their chats get their places in the audience.

Batch by being busy, like the writer: while one look-up runs, others gather; the next takes all
of them in one query, so a storm of connects costs a few queries and not one each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from actors.cluster.audience import Audience
from storage.errors import StorageError, Unavailable
from storage.ids import ChatId, Seq, UserId

MAX_TOGETHER: Final = 200
"""People in one query."""


class Positions(Protocol):
    """What arrivals ask of the database."""

    async def of(
        self, user_ids: Collection[UserId]
    ) -> Mapping[UserId, Sequence[tuple[ChatId, Seq]]]:
        """Read the active chats of these people, each with its newest ``seq``.

        Raises:
            storage.errors.StorageError: not now.
        """
        ...


@dataclass(slots=True)
class _Waiting:
    user_id: UserId
    is_wanted: bool = True
    """Until whoever asked has gone on, or was cut off and will never count them out."""
    is_over: trio.Event = field(default_factory=trio.Event)
    error: StorageError | None = None


class Arrivals:
    """Counts people in and out of the audience.

    Args:
        audience: the table.
        positions: where chats are looked up.
        catch_up: called for each chat that turns out to be further than it was handed out here.
    """

    def __init__(
        self,
        audience: Audience,
        positions: Positions,
        catch_up: Callable[[ChatId, Seq], None],
    ) -> None:
        self._audience = audience
        self._positions = positions
        self._catch_up = catch_up
        self._waiting: list[_Waiting] = []
        self._wake = trio.Event()

    async def enter(self, user_id: UserId) -> None:
        """Look up somebody's chats; when it returns, nothing newer of them passes unnoticed.

        Raises:
            StorageError: they can not be looked up; the person must not be attached, and is to
                be counted out: they may have been told of as joining meanwhile.
        """
        waiting = _Waiting(user_id)
        self._audience.expect(user_id)
        try:
            self._waiting.append(waiting)
            self._wake.set()
            await waiting.is_over.wait()
        finally:
            waiting.is_wanted = False
            self._audience.unexpect(user_id)
        if waiting.error is not None:
            # Raised by each who waited: a copy of its own for each traceback.
            raise type(waiting.error)(*waiting.error.args) from waiting.error

    def leave(self, user_id: UserId) -> None:
        """Somebody has no connection here any more."""
        self._audience.leave(user_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look up until cancelled; who waits then is told that it failed."""
        task_status.started()
        together: list[_Waiting] = []
        try:
            while True:
                await self._wake.wait()
                together = self._waiting[:MAX_TOGETHER]
                del self._waiting[:MAX_TOGETHER]
                if not self._waiting:
                    self._wake = trio.Event()
                await self._look_up(together)
        finally:
            for waiting in [*together, *self._waiting]:
                if not waiting.is_over.is_set():
                    waiting.error = Unavailable("arrivals are not being looked up")
                    waiting.is_over.set()
            self._waiting.clear()

    async def _look_up(self, together: Sequence[_Waiting]) -> None:
        try:
            found = await self._positions.of({waiting.user_id for waiting in together})
        except StorageError as error:
            for waiting in together:
                waiting.error = error
                waiting.is_over.set()
            return
        for waiting in together:
            if not waiting.is_wanted:
                continue
            chats = found.get(waiting.user_id, ())
            for chat_id, seq in self._audience.enter(waiting.user_id, chats):
                self._catch_up(chat_id, seq)
            waiting.is_over.set()
            # People have hundreds of chats: other tasks get a turn after each. What passes by
            # meanwhile is noted for those who still wait.
            await trio.lowlevel.checkpoint()
