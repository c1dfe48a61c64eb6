"""What `aeon bench storage` times: ways to commit messages, and reads at two sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from actors.chat.decide import decide
from aeon.seed import add_filled_chat
from storage import chats, history, users
from storage.commands import Committed, SendMessage
from storage.database import Database
from storage.event_rows import EVENT_CODES
from storage.events import MessageSent
from storage.ids import ChatId, UserId
from storage.query import Query
from storage.records import UserRecord
from storage.seeding import People
from storage.writer import GroupWriter

TEXT: Final = "Shall we meet at seven by the old bridge, or is it too late for you today?"


@dataclass(frozen=True, slots=True)
class Writing:
    """How one way of writing did."""

    writers: int
    messages: int
    seconds: float
    commits: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Messages committed per second."""
        return self.messages / self.seconds

    @property
    def commits_per_message(self) -> float:
        """1 means no sharing."""
        return self.commits / self.messages if self.messages else float("nan")


@dataclass(frozen=True, slots=True)
class Place:
    """A chat and who writes into it."""

    chat_id: ChatId
    sender: UserRecord


Send = Callable[[Place], Awaitable[None]]
Read = Callable[[], Awaitable[None]]


async def make_places(database: Database, people: People, count: int) -> list[Place]:
    """Make empty chats of twelve."""
    places = []
    for number in range(count):
        member_ids = people.member_ids(number, 12)
        chat_id = await add_filled_chat(database, member_ids, 0)
        async with database.connection() as conn:
            sender = await users.get_user(conn, member_ids[0])
        assert sender is not None, "it was just seeded"
        places.append(Place(chat_id, sender))
    return places


async def group_commit(
    database: Database, places: Sequence[Place], seconds: float, **options: int
) -> Writing:
    """All places write at once through one ``GroupWriter``, each waiting for its own commit.

    Args:
        database: with a connection for each lane.
        places: who writes where.
        seconds: for how long.
        options: the writer's; its defaults are what a node runs with.
    """
    writer = GroupWriter(database, decide, **options)  # type: ignore[arg-type]  # its numbers

    async def send(place: Place) -> None:
        command = SendMessage(
            chat_id=place.chat_id, actor_id=place.sender.id, sender=place.sender, text=TEXT
        )
        (outcome,) = await writer.append([command])
        if not isinstance(outcome, Committed):
            raise RuntimeError(f"not committed: {outcome}")

    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        writing = await _write(send, places, seconds, lambda: writer.statistics().commits)
        await writer.aclose()
    return writing


_plain: Final = Query(f"""
WITH chat AS (
    UPDATE chats SET last_seq = last_seq + 1, live_messages = live_messages + 1, updated_at = now()
    WHERE id = %(chat_id)s::bigint AND is_active AND EXISTS (
        SELECT FROM members WHERE chat_id = %(chat_id)s::bigint AND user_id = %(sender_id)s::bigint
    )
    RETURNING id, last_seq
), sent AS (
    INSERT INTO messages (chat_id, id, seq, sender_id, text, message_type, created_at)
    SELECT id, nextval('message_ids'), last_seq, %(sender_id)s::bigint, %(text)s, 'text', now()
    FROM chat
    RETURNING chat_id, seq, id, created_at
)
INSERT INTO events (chat_id, seq, type, actor_id, message_id, at)
SELECT chat_id, seq, {EVENT_CODES[MessageSent]}, %(sender_id)s::bigint, id, created_at FROM sent
""")


async def plain_commits(
    database: Database, places: Sequence[Place], seconds: float, *, connections: int
) -> Writing:
    """The best that a commit per message can do: one statement, no rules but membership."""
    free = trio.CapacityLimiter(connections)

    async def send(place: Place) -> None:
        params = {"chat_id": place.chat_id, "sender_id": place.sender.id, "text": TEXT}
        async with free, database.connection() as conn:
            if await conn.execute(_plain, params) != 1:
                raise RuntimeError("not committed")

    sent = 0

    async def counted(place: Place) -> None:
        nonlocal sent
        await send(place)
        sent += 1

    return await _write(counted, places, seconds, lambda: sent)


async def _write(
    send: Send, places: Sequence[Place], seconds: float, commits: Callable[[], int]
) -> Writing:
    latencies: list[float] = []
    await send(places[0])
    commits_before = commits()
    started = trio.current_time()
    deadline = started + seconds

    async def write(place: Place) -> None:
        while (begun := trio.current_time()) < deadline:
            await send(place)
            latencies.append(trio.current_time() - begun)

    async with trio.open_nursery() as nursery:
        for place in places:
            nursery.start_soon(write, place)
    took = trio.current_time() - started
    latencies.sort()
    return Writing(
        writers=len(places),
        messages=len(latencies),
        seconds=took,
        commits=commits() - commits_before,
        p50_ms=1000 * percentile(latencies, 0.50),
        p99_ms=1000 * percentile(latencies, 0.99),
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """How one read did, one call at a time."""

    p50_ms: float
    p95_ms: float
    queries: int
    """Of each call."""


async def pages(
    database: Database, wanted: Sequence[tuple[ChatId, int]], user_id: UserId, calls: int
) -> list[Reading]:
    """Each of these chats' pages, fifty messages, in turns."""

    def reader(chat_id: ChatId, page: int) -> Read:
        async def read() -> None:
            async with database.connection() as conn:
                found = await history.page(conn, chat_id, user_id, page)
            if found is None or not found.messages:
                raise RuntimeError("not a member, or no such page")

        return read

    return await _read(database, [reader(*one) for one in wanted], calls)


async def chat_list(database: Database, user_id: UserId, calls: int) -> Reading:
    """All chats of a person."""

    async def read() -> None:
        async with database.connection() as conn:
            if not await chats.list_chats(conn, user_id):
                raise RuntimeError("no chats")

    (reading,) = await _read(database, [read], calls)
    return reading


async def _read(database: Database, reads: Sequence[Read], calls: int) -> list[Reading]:
    """Time reads in turns, so that whatever else the machine does meets them alike."""
    for read in reads:
        for _ in range(10):
            await read()
    before = database.statistics().queries
    latencies: list[list[float]] = [[] for _ in reads]
    for _ in range(calls):
        for read, taken in zip(reads, latencies, strict=True):
            begun = trio.current_time()
            await read()
            taken.append(trio.current_time() - begun)
    queries = (database.statistics().queries - before) // (calls * len(reads))
    return [_reading(sorted(taken), queries) for taken in latencies]


def _reading(ordered: Sequence[float], queries: int) -> Reading:
    return Reading(1000 * percentile(ordered, 0.50), 1000 * percentile(ordered, 0.95), queries)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies; NaN of nothing."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
