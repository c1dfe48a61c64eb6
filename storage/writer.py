"""Group commit: what waits is committed together, whatever chats it is for.

Rules of this file:

- Batch by being busy: while a transaction runs, appends wait; the next takes all of them, up to
  ``max_batch_commands``. No timers, so an idle writer adds no delay.
- Appends of one chat keep their order, and a chat is never in two transactions at once.
- Lanes overlap: while PostgreSQL works for one, Python works for another. So what waits is shared
  out among the lanes that are free, but never into crumbs.
- What can fail alone fails alone. A batch that PostgreSQL refuses is tried once more (another
  node's key is seen the second time), then in halves, then command by command.
- A caller that goes away undoes nothing: what was handed over is committed.
- Every append is answered, also when ``run`` is cancelled or crashes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from storage.batch import commit_batch
from storage.commands import AnyCommand, Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.database import Database
from storage.errors import (
    CommitUnknown,
    Conflict,
    Contention,
    InvalidData,
    Overloaded,
    StorageError,
    Unavailable,
)
from storage.facts import Decide
from storage.ids import ChatId
from storage.writer_counts import WriterCounts, WriterStatistics

logger = logging.getLogger(__name__)

_LEAST_SHARE: Final = 32
"""Commands that a lane takes alone although others are free: a transaction has its price."""
_ATTEMPTS: Final = 3
"""How often a transaction is tried that another one was in the way of."""
_WRITTEN: Final = (Committed, CursorMoved)
"""Outcomes that changed rows."""


@dataclass(slots=True, eq=False)
class _Append:
    """What one call of ``append`` handed over."""

    chat_id: ChatId
    commands: Sequence[AnyCommand]
    request_ids: Sequence[str | None]
    answered: trio.Event = field(default_factory=trio.Event)
    outcomes: Sequence[Outcome] = ()
    error: Exception | None = None

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes
        self.answered.set()

    def fail(self, error: Exception) -> None:
        if not self.answered.is_set():
            self.error = error
            self.answered.set()


class GroupWriter:
    """The real ``EventAppender``. Run ``run`` in a task of the nursery that owns the database."""

    def __init__(
        self,
        database: Database,
        decide: Decide,
        *,
        max_queued_commands: int = 10_000,
        max_batch_commands: int = 500,
        lanes: int = 3,
        counts: WriterCounts | None = None,
    ) -> None:
        """Make a writer; nothing happens before ``run``.

        Args:
            database: one connection of its pool is in use by each lane that is busy.
            decide: the rules.
            max_queued_commands: what may wait, over all chats; more is ``Overloaded``.
            max_batch_commands: of one transaction. A single append is never split.
            lanes: transactions in flight at once, each with other chats.
            counts: the tally to keep; its own by default.
        """
        self._database = database
        self._decide = decide
        self._max_queued = max_queued_commands
        self._max_batch = max_batch_commands
        self._lanes = self._free_lanes = lanes
        self._waiting: dict[ChatId, deque[_Append]] = {}
        self._queued = 0
        self._busy: dict[ChatId, list[_Append]] = {}
        self._in_flight = 0
        self._idle = trio.lowlevel.ParkingLot()
        self._closing = False
        self._is_running = False
        self._stopped = trio.Event()
        self._counters = counts or WriterCounts()

    async def append(
        self, commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        """Commit commands of one chat; see ``EventAppender.append``."""
        if not commands:
            return ()
        if self._closing:
            raise Unavailable("the writer is closing")
        if self._queued and self._queued + len(commands) > self._max_queued:
            self._counters.refused += 1
            raise Overloaded("too many changes wait for the database")
        append = _Append(commands[0].chat_id, commands, request_ids)
        assert all(command.chat_id == append.chat_id for command in commands), "one chat"
        self._waiting.setdefault(append.chat_id, deque()).append(append)
        self._queued += len(commands)
        self._idle.unpark()
        await append.answered.wait()
        if append.error is not None:
            raise append.error
        return append.outcomes

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is appended, until ``aclose``.

        If it is cancelled or crashes, what waits is answered with ``Unavailable``, what was on
        its way with ``CommitUnknown``.
        """
        self._is_running = True
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(self._lanes):
                    nursery.start_soon(self._run_lane)
                task_status.started()
        finally:
            self._stop()

    async def aclose(self) -> None:
        """Take no more, commit what waits, and let ``run`` return.

        If cancelled, ``run`` goes on flushing.
        """
        self._closing = True
        self._idle.unpark_all()
        if not self._is_running:
            self._stop()
        await self._stopped.wait()

    def statistics(self) -> WriterStatistics:
        """Counts since the start, and what waits right now."""
        return self._counters.snapshot(
            queued=self._queued, in_flight=self._in_flight, lanes=self._lanes
        )

    def _stop(self) -> None:
        self._closing = True
        for busy in self._busy.values():
            for append in busy:
                append.fail(CommitUnknown("the writer stopped during the commit"))
        for queue in self._waiting.values():
            for append in queue:
                append.fail(Unavailable("the writer stopped"))
        self._waiting.clear()
        self._busy.clear()
        self._queued = self._in_flight = 0
        self._stopped.set()

    async def _run_lane(self) -> None:
        while True:
            batch = self._take()
            if batch:
                self._free_lanes -= 1
                try:
                    await self._commit(batch)
                finally:
                    self._free_lanes += 1
                    self._release(batch)
            elif self._closing and not self._waiting:
                return
            else:
                await self._idle.park()

    def _take(self) -> list[_Append]:
        """This lane's share of what waits, oldest chat first, but for chats in flight."""
        batch: list[_Append] = []
        size = 0
        share = max(_LEAST_SHARE, -(-self._queued // self._free_lanes))
        limit = min(self._max_batch, share)
        for chat_id in list(self._waiting):
            if chat_id in self._busy:
                continue
            queue = self._waiting[chat_id]
            taken = self._busy[chat_id] = []
            while queue and (not batch or size + len(queue[0].commands) <= limit):
                append = queue.popleft()
                size += len(append.commands)
                taken.append(append)
                batch.append(append)
            if not taken:
                del self._busy[chat_id]
            if not queue:
                del self._waiting[chat_id]
            if size >= limit or queue:
                break
        self._queued -= size
        self._in_flight += size
        return batch

    def _release(self, batch: Sequence[_Append]) -> None:
        """Give the chats free; lanes that waited for them look again.

        When the lane was cancelled the appends stay, for ``_stop`` to answer.
        """
        if not all(append.answered.is_set() for append in batch):
            return
        for append in batch:
            self._busy.pop(append.chat_id, None)
            self._in_flight -= len(append.commands)
        self._idle.unpark_all()

    async def _commit(self, batch: Sequence[_Append], *, is_retry: bool = False) -> None:
        """Answer every append of the batch."""
        commands = [command for append in batch for command in append.commands]
        try:
            outcomes = await self._transact(commands)
        except Conflict:
            self._counters.retries += 1
            if is_retry:
                await self._commit_parts(batch)
            else:
                await self._commit(batch, is_retry=True)
        except CommitUnknown as error:
            self._fail(batch, error)
        except InvalidData:
            await self._commit_parts(batch)
        except StorageError as error:
            self._fail(batch, error)
        except Exception:
            # A defect of ours. Its command is found by splitting; the others must not suffer.
            logger.exception("batch_failed", extra=_described(batch))
            await self._commit_parts(batch)
        else:
            at = 0
            for append in batch:
                until = at + len(append.commands)
                append.answer(outcomes[at:until])
                at = until
            self._tell_committed(batch)

    async def _commit_parts(self, batch: Sequence[_Append]) -> None:
        self._counters.retries += 1
        if len(batch) == 1:
            await self._commit_one_by_one(batch[0])
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    async def _commit_one_by_one(self, append: _Append) -> None:
        outcomes: list[Outcome] = []
        for command in append.commands:
            try:
                outcomes.append(await self._commit_single(command))
            except CommitUnknown as error:
                self._fail([append], error)
                return
            except Exception as error:  # noqa: BLE001 # it becomes the caller's
                if not isinstance(error, StorageError):
                    self._counters.defects += 1
                if any(isinstance(outcome, _WRITTEN) for outcome in outcomes):
                    # Saying "nothing was written" would be wrong: let the caller look.
                    error = CommitUnknown("a part of it was committed")
                self._fail([append], error)
                return
        append.answer(outcomes)
        self._tell_committed([append])

    def _tell_committed(self, batch: Sequence[_Append]) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            seconds = round(self._counters.last_commit_seconds, 6)
            logger.debug("batch_committed", extra={**_described(batch), "seconds": seconds})

    async def _commit_single(self, command: AnyCommand) -> Outcome:
        for attempt in range(_ATTEMPTS):
            try:
                (outcome,) = await self._transact([command])
            except Conflict as error:
                if attempt == _ATTEMPTS - 1:
                    return Rejected(_reason(error), f"refused by {error.constraint}")
            except InvalidData as error:
                return Rejected(RejectReason.INVALID_DATA, str(error))
            else:
                return outcome
        raise AssertionError("the last attempt returns")

    async def _transact(self, commands: Sequence[AnyCommand]) -> list[Outcome]:
        counters = self._counters
        for attempt in range(_ATTEMPTS):
            counters.tried(len(commands))
            began = trio.current_time()
            try:
                outcomes = await commit_batch(self._database, self._decide, commands)
            except Contention:
                counters.retries += 1
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            counters.answered(outcomes, trio.current_time() - began)
            return outcomes
        raise AssertionError("the last attempt returns or raises")

    def _fail(self, batch: Sequence[_Append], error: Exception) -> None:
        """Give every append an error of its own: an exception raised twice mixes tracebacks."""
        for append in batch:
            own: Exception
            if isinstance(error, CommitUnknown):
                self._counters.unknown += 1
                own = CommitUnknown(str(error))
            elif isinstance(error, Unavailable):
                self._counters.unavailable += 1
                own = type(error)(str(error), retry_after_seconds=error.retry_after_seconds)
            elif isinstance(error, StorageError):
                self._counters.unavailable += 1
                own = Unavailable(str(error))
            else:
                own = error
            own.__cause__ = error if own is not error else error.__cause__
            append.fail(own)


def _described(batch: Sequence[_Append]) -> dict[str, object]:
    """Say in a log line whose commands these are."""
    ids = [one for append in batch for one in append.request_ids if one is not None]
    return {
        "commands": sum(len(append.commands) for append in batch),
        "chats": len({append.chat_id for append in batch}),
        "request_ids": ids,
    }


def _reason(conflict: Conflict) -> RejectReason:
    """What a conflict means that does not go away by looking again."""
    constraint = conflict.constraint or ""
    if constraint.startswith("fk_") and constraint.endswith(("sender_id", "user_id")):
        return RejectReason.USER_NOT_FOUND
    return RejectReason.INVALID_DATA
