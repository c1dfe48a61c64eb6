"""Made-up data in bulk, made inside PostgreSQL: for benchmarks and tests.

Everything the writer guards holds here by construction: ``seq`` is dense, a chat's counters are
right, cursors point at messages, every message and every cursor has its event. It is the one
place beside the writer that touches chats; use it on chats nobody else writes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio

from storage.chats import next_chat_id
from storage.database import Connection
from storage.event_rows import EVENT_CODES
from storage.events import ChatCreated, MessageSent, MessagesRead
from storage.ids import ChatId, UserId
from storage.query import Query

FIRST_USER_ID: Final = 4_000_000_000_000_000
"""Beyond any Telegram id (52 bits at most are promised, far fewer are in use)."""

_TEXT: Final = (
    "The quick brown fox jumps over the lazy dog while a gentle wind carries the smell of rain "
    "over the hills and somebody in the valley asks whether the evening train is late again."
)


@dataclass(frozen=True, slots=True)
class People:
    """A run of made-up people: ids from ``first_id`` on, without gaps."""

    first_id: UserId
    count: int

    def member_ids(self, number: int, count: int) -> list[UserId]:
        """Pick the members of the chat with this number, spread over all people."""
        count = min(count, self.count)
        first = number * 7919
        return [UserId(self.first_id + (first + place) % self.count) for place in range(count)]


_add_people: Final = Query("""
WITH base AS (
    SELECT greatest(%(first_id)s::bigint, max(id) + 1) AS id FROM users
), added AS (
    INSERT INTO users (id, first_name, last_name, username, created_at)
    SELECT base.id + n, 'Seed ' || n, 'Number ' || base.id + n,
           'seed_' || base.id + n, now() - interval '8 days'
    FROM base, generate_series(0, %(count)s::bigint - 1) AS n
    RETURNING 1
)
SELECT base.id FROM base WHERE (SELECT count(*) FROM added) > 0
""")


async def add_people(conn: Connection, count: int) -> People:
    """Add new people, numbered on from those of earlier runs."""
    row = await conn.fetch_one(_add_people, {"first_id": FIRST_USER_ID, "count": count})
    assert row is not None, "count is at least one"
    return People(first_id=UserId(row[0]), count=count)


_add_chat: Final = Query(f"""
WITH owner AS (SELECT (%(member_ids)s::bigint[])[1] AS id),
at AS (SELECT now() - interval '7 days' AS start),
chat AS (
    INSERT INTO chats (id, type, title, created_by, owner_id, last_seq, members_count, created_at)
    SELECT %(chat_id)s, 'group', %(title)s, owner.id, owner.id, 1,
           cardinality(%(member_ids)s::bigint[]), at.start
    FROM owner, at
    RETURNING id, created_by, created_at
), joined AS (
    INSERT INTO members (chat_id, user_id, role, read_seq, joined_at)
    SELECT chat.id, member, CASE WHEN member = chat.created_by THEN 'owner' ELSE 'member' END,
           1, chat.created_at
    FROM chat, unnest(%(member_ids)s::bigint[]) AS member
)
INSERT INTO events (chat_id, seq, type, actor_id, at)
SELECT id, 1, {EVENT_CODES[ChatCreated]}, created_by, created_at FROM chat
""")  # a number of ours


async def add_chat(
    conn: Connection, member_ids: Sequence[UserId], *, title: str = "Seeded"
) -> ChatId:
    """Add a group a week old; the first of the members owns it."""
    chat_id = await next_chat_id(conn)
    params = {"chat_id": chat_id, "title": title, "member_ids": list(member_ids)}
    await conn.execute(_add_chat, params)
    return chat_id


_add_messages: Final = Query(f"""
WITH chat AS (
    SELECT id, last_seq FROM chats WHERE id = %(chat_id)s::bigint FOR NO KEY UPDATE
), people AS (
    SELECT array_agg(user_id ORDER BY user_id) AS ids
    FROM members WHERE chat_id = %(chat_id)s::bigint
), sent AS (
    INSERT INTO messages (chat_id, id, seq, sender_id, text, message_type, created_at)
    SELECT chat.id, nextval('message_ids'), chat.last_seq + n,
           people.ids[1 + (n * 31 + n / 7) %% cardinality(people.ids)],
           left(%(text)s::text, 12 + ((n * 7919) %% 160)::integer) || ' #' || chat.last_seq + n,
           'text', clock_timestamp()
    FROM chat, people, generate_series(1, %(count)s::bigint) AS n
    RETURNING chat_id, seq, id, sender_id, created_at
), logged AS (
    INSERT INTO events (chat_id, seq, type, actor_id, message_id, at)
    SELECT chat_id, seq, {EVENT_CODES[MessageSent]}, sender_id, id, created_at FROM sent
)
UPDATE chats SET last_seq = last_seq + %(count)s::bigint,
                 live_messages = live_messages + %(count)s::bigint,
                 updated_at = now()
WHERE id = %(chat_id)s::bigint AND (SELECT count(*) FROM sent) > 0
""")  # a number of ours


async def add_messages(conn: Connection, chat_id: ChatId, count: int) -> None:
    """Add messages of all members in turn to a chat; one statement, so keep it to thousands."""
    params = {"chat_id": chat_id, "count": count, "text": _TEXT}
    await conn.execute(_add_messages, params)


_add_cursors: Final = Query(f"""
WITH chat AS (
    SELECT id, last_seq FROM chats WHERE id = %(chat_id)s::bigint FOR NO KEY UPDATE
), readers AS (
    SELECT user_id, row_number() OVER (ORDER BY user_id) AS n
    FROM members WHERE chat_id = %(chat_id)s::bigint
), reached AS (
    SELECT chat.id AS chat_id, chat.last_seq, readers.user_id,
           row_number() OVER (ORDER BY readers.n) AS n, message.seq, message.id
    FROM chat, readers, LATERAL (
        SELECT seq, id FROM messages
        WHERE chat_id = chat.id AND seq <= chat.last_seq - (readers.n * 13) %% 40
        ORDER BY seq DESC LIMIT 1
    ) AS message
), moved AS (
    UPDATE members SET read_seq = reached.seq, read_message_id = reached.id
    FROM reached
    WHERE members.chat_id = reached.chat_id AND members.user_id = reached.user_id
), logged AS (
    INSERT INTO events (chat_id, seq, type, actor_id, message_id, data, at)
    SELECT chat_id, last_seq + n, {EVENT_CODES[MessagesRead]}, user_id, id,
           jsonb_build_object('read_seq', seq), now()
    FROM reached
)
UPDATE chats SET last_seq = last_seq + (SELECT count(*) FROM reached)
WHERE id = %(chat_id)s::bigint
""")  # a number of ours


async def add_cursors(conn: Connection, chat_id: ChatId) -> None:
    """Let every member read up to somewhere near the end; call it once per chat, at the end."""
    await conn.execute(_add_cursors, {"chat_id": chat_id})


async def analyze(conn: Connection) -> None:
    """Tell the planner what there is now, and PostgreSQL which pages all can see."""
    await conn.execute("SET statement_timeout = '10min'")
    try:
        for table in ("users", "chats", "members", "messages", "events"):
            await conn.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        with trio.CancelScope(shield=True):
            await conn.execute("RESET statement_timeout")
