"""Keeping the event log short: old events go, messages stay.

Per chat, events older than an age or beyond a count are deleted from the front, and
``chats.log_floor_seq`` rises with them in the same statement, under the chat's lock. A resume
from before the floor is told so (``EventPage.too_far``); it never gets a log with a hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
import trio
from sqlalchemy import (
    BigInteger,
    Interval,
    bindparam,
    delete,
    exists,
    false,
    func,
    or_,
    select,
    true,
    update,
)

from storage import sessions
from storage.database import Connection, Database
from storage.errors import StorageError
from storage.ids import ChatId
from storage.query import Query
from storage.tables import chats, deployment, events

_log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Which events may go; an event goes when either bound says so."""

    max_age: timedelta = timedelta(days=30)
    max_events_per_chat: int = 1_000_000


@dataclass(frozen=True, slots=True)
class PurgeStatistics:
    """What a job has done since it started."""

    rounds: int
    """Complete walks over all chats."""
    deleted_events: int
    trimmed_chats: int
    failures: int


_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_after_id: Final = bindparam("after_id", type_=BigInteger)
_max_age: Final = bindparam("max_age", type_=Interval)
_max_events: Final = bindparam("max_events", type_=BigInteger)
_limit: Final = bindparam("limit", type_=BigInteger)

# Of a bounded number of chats, in id order, those whose first event may go.
_batch: Final = (
    select(chats.c.id, chats.c.last_seq, chats.c.log_floor_seq)
    .where(chats.c.id > _after_id)
    .order_by(chats.c.id)
    .limit(_limit)
    .subquery("batch")
)
_select_due: Final = Query(
    select(
        _batch.c.id,
        or_(
            _batch.c.last_seq - _batch.c.log_floor_seq > _max_events,
            # A look-up each: EXISTS beside OR may hash every event there is.
            func.coalesce(
                select(events.c.at)
                .where(events.c.chat_id == _batch.c.id, events.c.seq == _batch.c.log_floor_seq + 1)
                .scalar_subquery()
                < func.now() - _max_age,
                false(),
            ),
        ),
    ).order_by(_batch.c.id)
)


def _trim() -> Query:
    locked = (
        select(chats.c.id, chats.c.last_seq, chats.c.log_floor_seq)
        .where(chats.c.id == _chat_id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    front = (
        select(events.c.seq, events.c.at)
        .where(events.c.chat_id == _chat_id, events.c.seq > locked.c.log_floor_seq)
        .order_by(events.c.seq)
        .limit(_limit)
        .lateral("front")
    )
    floor = (
        select(
            func.min(locked.c.log_floor_seq).label("floor_seq"), func.max(front.c.seq).label("seq")
        )
        .select_from(locked.join(front, true()))
        .where(
            or_(
                front.c.at < func.now() - _max_age,
                front.c.seq <= locked.c.last_seq - _max_events,
            )
        )
        .cte("floor")
    )
    raised = (
        update(chats)
        .where(chats.c.id == _chat_id, floor.c.seq.is_not(None))
        .values(log_floor_seq=floor.c.seq)
        .returning(chats.c.id)
        .cte("raised")
    )
    deleted = (
        delete(events)
        # Both ends: with one, PostgreSQL expects a third of the log and may read all of it.
        .where(
            events.c.chat_id == _chat_id,
            events.c.seq.between(floor.c.floor_seq, floor.c.seq),
        )
        .returning(events.c.seq)
        .cte("deleted")
    )
    return Query(
        select(func.count())
        .select_from(deleted)
        .where(exists(select(raised.c.id)))
        .add_cte(raised, deleted)
    )


_trim_query: Final = _trim()


async def purge_chat(
    conn: Connection, chat_id: ChatId, policy: RetentionPolicy, *, max_events: int = 1000
) -> int:
    """Delete up to ``max_events`` events that may go from one chat; how many.

    One statement; the chat's writers wait for it, so keep the bound small.
    """
    row = await conn.fetch_one(
        _trim_query,
        {
            "chat_id": chat_id,
            "max_age": policy.max_age,
            "max_events": policy.max_events_per_chat,
            "limit": max_events,
        },
    )
    return 0 if row is None else int(row[0])


async def find_due(
    conn: Connection, policy: RetentionPolicy, *, after_id: ChatId, max_chats: int = 500
) -> tuple[list[ChatId], ChatId | None]:
    """Look at the next chats by id: those with events that may go, and where to go on.

    The second value is None when there are no further chats.
    """
    rows = await conn.fetch_all(
        _select_due,
        {
            "after_id": after_id,
            "max_age": policy.max_age,
            "max_events": policy.max_events_per_chat,
            "limit": max_chats,
        },
    )
    due = [ChatId(row[0]) for row in rows if row[1]]
    return due, ChatId(rows[-1][0]) if len(rows) == max_chats else None


_claim_query: Final = Query(
    update(deployment)
    .where(
        or_(
            deployment.c.purged_at.is_(None),
            deployment.c.purged_at <= func.now() - bindparam("interval", type_=Interval),
        )
    )
    .values(purged_at=func.now())
)


async def claim(conn: Connection, interval: timedelta) -> bool:
    """Take on the next walk over all chats; False: a node has begun one within the interval."""
    return await conn.execute(_claim_query, {"interval": interval}) > 0


class RetentionJob:
    """Walks over all chats again and again, gently, and trims their logs.

    Of all nodes of a deployment one does, whoever's turn comes first.
    """

    def __init__(
        self,
        database: Database,
        policy: RetentionPolicy | None = None,
        *,
        interval_seconds: float = 3600.0,
        pause_seconds: float = 0.05,
    ) -> None:
        """Prepare the job; ``run`` does it.

        Args:
            database: where the log is.
            policy: what may go.
            interval_seconds: rest between two walks.
            pause_seconds: rest after each look at some chats, and after each statement that
                deleted something.
        """
        self._database = database
        self._policy = policy or RetentionPolicy()
        self._interval_seconds = interval_seconds
        self._pause_seconds = pause_seconds
        self._rounds = 0
        self._deleted_events = 0
        self._trimmed_chats = 0
        self._failures = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Purge until cancelled. A database that is away costs a walk, not the job."""
        task_status.started()
        while True:
            try:
                async with self._database.connection() as conn:
                    is_mine = await claim(conn, timedelta(seconds=self._interval_seconds))
                if is_mine:
                    await self.purge()
            except StorageError as error:
                self._failures += 1
                _log.warning("retention_interrupted", error=type(error).__name__)
            await trio.sleep(self._interval_seconds)

    async def purge(self) -> int:
        """Walk over all chats once, and drop expired sessions; how many events were deleted.

        Raises:
            storage.errors.StorageError: the database refused; what was deleted stays deleted.
        """
        deleted = 0
        after_id: ChatId | None = ChatId(0)
        while after_id is not None:
            async with self._database.connection() as conn:
                due, after_id = await find_due(conn, self._policy, after_id=after_id)
            for chat_id in due:
                deleted += await self._trim(chat_id)
            await trio.sleep(self._pause_seconds)
        await self._forget_expired_sessions()
        self._rounds += 1
        return deleted

    async def _forget_expired_sessions(self) -> None:
        is_more = True
        while is_more:
            async with self._database.connection() as conn:
                is_more = await sessions.delete_expired(conn) > 0

    def statistics(self) -> PurgeStatistics:
        """Count what was done."""
        return PurgeStatistics(
            rounds=self._rounds,
            deleted_events=self._deleted_events,
            trimmed_chats=self._trimmed_chats,
            failures=self._failures,
        )

    async def _trim(self, chat_id: ChatId) -> int:
        deleted = 0
        while True:
            # A connection per statement: people who wait for one come first.
            async with self._database.connection() as conn:
                count = await purge_chat(conn, chat_id, self._policy)
            if not count:
                break
            deleted += count
            self._deleted_events += count
            await trio.sleep(self._pause_seconds)
        self._trimmed_chats += deleted > 0
        return deleted
