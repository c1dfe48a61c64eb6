"""Statements cost the same whatever has piled up around what they are about.

Each is run in a small world, and again when everything else has grown: the person's other chats,
the chat's members, its log, everybody's files, sessions and invitations. Counted in pages that
PostgreSQL touches, with the plans of prepared statements, before the tables were ever analysed and
after: one plan has to be right whatever the planner believes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from actors.chat.decide import decide
from storage import (
    audit,
    chats,
    invitations,
    media,
    one_message,
    positions,
    presence,
    retention,
    sessions,
    uploads,
    users,
)
from storage.batch import commit_batch
from storage.commands import AnyCommand, Committed
from storage.database import Connection, Database
from storage.ids import ChatId, MediaId, MessageId, UserId
from storage.records import MediaRecord
from storage.retention import RetentionPolicy
from tests.helpers.commands import add, create, remove, send
from tests.helpers.explained import explained

SMALL, LARGE = 40, 4_000
DAY = timedelta(days=1)

VIEWER, PEER, QUIET = UserId(1), UserId(2), UserId(3)
"""The first two are in every chat, the third only in the first and the crowd."""
CHAT, CROWD, LOGGED = ChatId(1), ChatId(2), ChatId(3)
"""Small; of everybody; with a long log. Chats of the first two people alone follow."""
FIRST_OTHER: Final = 10
MESSAGE, WITH_FILE = MessageId(1), MessageId(2)

_FIRST_ROWS: Final = """
    INSERT INTO users (id, first_name, username)
    SELECT n, 'Person', 'person' || n FROM generate_series(1, 9) AS n;

    INSERT INTO chats (id, type, created_by, owner_id, last_seq, members_count, live_messages,
                       created_at)
    SELECT n, 'group', 1, 1, 4, 3, 2, now() - interval '1 hour' FROM generate_series(1, 3) AS n;
    INSERT INTO members (chat_id, user_id, role, joined_at)
    SELECT chat, person, CASE person WHEN 1 THEN 'owner' ELSE 'member' END,
           now() - interval '1 hour'
    FROM generate_series(1, 3) AS chat, generate_series(1, 3) AS person
    WHERE person < 3 OR chat < 3;
    INSERT INTO events (chat_id, seq, type, actor_id, at)
    SELECT chat, 1, 5, 1, now() - interval '1 hour' FROM generate_series(1, 3) AS chat;

    INSERT INTO objects (key, size_bytes) VALUES ('twin', 1), ('preview', 1);
    INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes, object_key,
                       thumbnail_key)
    VALUES ('used', 1, 'photo', 'image/png', 1, 'twin', 'preview'),
           ('unused', 1, 'photo', 'image/png', 1, 'twin', 'preview'),
           ('unused too', 1, 'photo', 'image/png', 1, 'twin', 'preview');
    INSERT INTO messages (chat_id, id, seq, sender_id, message_type, media_id, created_at)
    VALUES (1, 1, 2, 2, 'text', NULL, now()), (1, 2, 3, 2, 'photo', 'used', now());
    INSERT INTO invitations (chat_id, username, invited_by)
    SELECT n, 'newcomer', 1 FROM generate_series(1, 2) AS n;
    SELECT setval('message_ids', 1000000);
"""
_MORE_ROWS: Final = """
    INSERT INTO users (id, first_name, username)
    SELECT n, 'Person', 'person' || n FROM generate_series({first} + 100, {last} + 100) AS n;

    INSERT INTO objects (key, size_bytes)
    SELECT 'object' || n, 1 FROM generate_series({first}, {last}) AS n;
    INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes, object_key,
                       thumbnail_key)
    SELECT 'zz' || n, 1, 'photo', 'image/png', 1, 'object' || n, 'object' || n
    FROM generate_series({first}, {last}) AS n;

    INSERT INTO chats (id, type, created_by, owner_id, last_seq, members_count, created_at,
                       photo_url)
    SELECT n + 100, 'group', 1, 1, 1, 2, now() - interval '1 second', 'media:zz' || n
    FROM generate_series({first}, {last}) AS n;
    INSERT INTO members (chat_id, user_id, role, joined_at)
    SELECT n + 100, person, CASE person WHEN 1 THEN 'owner' ELSE 'member' END,
           now() - interval '1 hour'
    FROM generate_series({first}, {last}) AS n, generate_series(1, 2) AS person;
    INSERT INTO events (chat_id, seq, type, actor_id, at)
    SELECT n + 100, 1, 5, 1, now() - interval '1 hour'
    FROM generate_series({first}, {last}) AS n;

    INSERT INTO members (chat_id, user_id, role, joined_at)
    SELECT 2, n + 100, 'member', now() - interval '1 hour'
    FROM generate_series({first}, {last}) AS n;
    UPDATE chats SET members_count = 3 + {last} WHERE id = 2;

    INSERT INTO events (chat_id, seq, type, actor_id, at)
    SELECT 3, n + 1, 4, 1, now() - interval '1 hour'
    FROM generate_series({first} * 4 - 3, {last} * 4) AS n;
    UPDATE chats SET last_seq = {last} * 4 + 1 WHERE id = 3;

    INSERT INTO messages (chat_id, id, seq, sender_id, message_type, media_id, created_at)
    SELECT 3, n + 10, n, 1, 'photo', 'zz' || n, now()
    FROM generate_series({first}, {last}) AS n;

    INSERT INTO sessions (id, user_id, expires_at)
    SELECT 's' || n, 100 + {last}, now() + interval '1 day'
    FROM generate_series({first} * 5 - 4, {last} * 5) AS n;
    INSERT INTO uploads (id, user_id, size_bytes, expires_at)
    SELECT 'u' || n, n + 100, 1, now() + interval '1 day'
    FROM generate_series({first}, {last}) AS n;
    INSERT INTO audit (action) SELECT 'look' FROM generate_series({first} * 50 - 49, {last} * 50);
    INSERT INTO invitations (chat_id, username, invited_by)
    SELECT 3, 'name' || n, 1 FROM generate_series({first}, {last}) AS n;
"""


Statement = Callable[[Connection, int], Awaitable[object]]
"""Given how much there is: people from 101 on, chats likewise."""


def _upload(number: int) -> MediaRecord:
    return MediaRecord(
        id=MediaId(f"new {number}"),
        uploader_id=QUIET,
        message_type="photo",
        media_type="image/png",
        size_bytes=1,
        duration_seconds=None,
        width=None,
        height=None,
        filename=None,
        has_thumbnail=True,
    )


def _crowd(size: int) -> list[UserId]:
    return [UserId(100 + number) for number in range(1, size + 1)]


STATEMENTS: dict[str, Statement] = {
    "locate a message": lambda conn, _: one_message.locate_message(conn, MESSAGE, VIEWER),
    "one message": lambda conn, _: one_message.get_message_for(conn, MESSAGE, VIEWER),
    "readers": lambda conn, _: one_message.readers(conn, MESSAGE, VIEWER),
    "position": lambda conn, _: chats.get_position(conn, CHAT, VIEWER),
    "who came in lately": lambda conn, _: positions.joined_since(
        conn, [VIEWER, PEER], datetime.now(UTC), overlap=timedelta(minutes=1)
    ),
    "positions of a quiet person": lambda conn, _: positions.positions_of(conn, [QUIET]),
    "whom to tell": lambda conn, size: presence.peers_among(
        conn, [QUIET], [VIEWER, *_crowd(size)], max_members=10
    ),
    "note who was here": lambda conn, _: presence.touch_last_seen(conn, [PEER, QUIET]),
    "a name's invitations": lambda conn, _: invitations.list_pending(conn, "newcomer"),
    "log-in": lambda conn, size: users.upsert_login(
        conn, users.LoginProfile(id=QUIET, first_name=f"Was there {size}", username="person3")
    ),
    "by name": lambda conn, _: users.find_by_username(conn, "person3"),
    "sessions": lambda conn, _: sessions.list_active(conn, QUIET),
    "expired sessions": lambda conn, _: sessions.delete_expired(conn),
    "expired uploads": lambda conn, _: uploads.delete_expired(conn, 10),
    "old deeds": lambda conn, _: audit.delete_old(conn, max_age=DAY, max_entries=10**6),
    "deeds": lambda conn, _: audit.list_entries(conn, limit=10),
    "file of a message": lambda conn, _: media.media_of_message(conn, WITH_FILE),
    "new file": lambda conn, size: media.insert_media(conn, _upload(size), "twin"),
    "delete a file": lambda conn, size: media.delete_unused(
        conn, MediaId("unused" if size == SMALL else "unused too")
    ),
    "unused files": lambda conn, _: media.unused_after(conn, "u", timedelta(0), 10),
    "known objects": lambda conn, _: media.known_objects(conn, ["twin", "preview", "none"]),
    "chats with old events": lambda conn, _: retention.find_due(
        conn, RetentionPolicy(), after_id=ChatId(0), max_chats=5
    ),
    "trim a log": lambda conn, _: retention.purge_chat(
        conn, LOGGED, RetentionPolicy(max_age=timedelta(0)), max_events=20
    ),
}
COMMANDS: dict[str, Callable[[int], AnyCommand]] = {
    "create a chat": lambda size: create(5 if size == SMALL else 6, VIEWER, title=f"New {size}"),
    "forward": lambda _: send(CHAT, VIEWER, None, forward_message_id=MESSAGE),
    "add to a crowd": lambda size: add(CROWD, VIEWER, 4 if size == SMALL else 5),
    "leave": lambda size: remove(CHAT if size == SMALL else LOGGED, VIEWER, PEER),
}


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_cost_does_not_grow_with_what_is_around(database_url: str, is_analyzed: bool) -> None:
    costs: dict[str, list[int]] = {name: [] for name in (*STATEMENTS, *COMMANDS)}
    async with explained(database_url) as (database, plans):
        await _run(database, _FIRST_ROWS)
        first = 1
        for size in (SMALL, LARGE):
            await _run(database, _MORE_ROWS.format(first=first, last=size))
            first = size + 1
            # Either way statements are planned anew, as they are when a table was analysed.
            await _run(database, "ANALYZE" if is_analyzed else "DISCARD PLANS")
            for name, statement in STATEMENTS.items():
                async with database.connection() as conn:
                    plans.forget()
                    assert await statement(conn, size) is not None or "note" in name
                    costs[name].append(plans.blocks)
            for name, make in COMMANDS.items():
                plans.forget()
                (outcome,) = await commit_batch(database, decide, [make(size)])
                assert isinstance(outcome, Committed), outcome
                costs[name].append(plans.blocks)
    # Indexes are a level higher, and new rows need new pages.
    grown = {name: pages for name, pages in costs.items() if pages[1] > pages[0] * 1.5 + 16}
    assert not grown


async def test_what_a_person_has_stored_is_summed_up_from_an_index(database_url: str) -> None:
    """Their files lie among everybody's: a page each, twice for every upload, is too much."""
    files, people = 2_000, 8
    async with explained(database_url) as (database, plans):
        await _run(database, _FIRST_ROWS)
        await _run(
            database,
            # Of rows whose commit is not on disk yet VACUUM does not say that everybody sees them.
            f"""
            SET LOCAL synchronous_commit = on;
            INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes)
            SELECT number || ' of ' || person, person, 'document', 'application/pdf', 10
            FROM generate_series(1, {files}) AS number, generate_series(2, {people}) AS person
            ORDER BY number
            """,
        )
        async with database.connection() as conn:
            await conn.execute("VACUUM (ANALYZE) media")
            plans.forget()
            assert await media.stored_bytes(conn, PEER) == files * 10
    assert plans.blocks < files / 40


async def _run(database: Database, script: str) -> None:
    async with database.transaction("_run") as conn:
        for statement in script.split(";\n"):
            if statement.strip():
                await conn.execute(statement)
