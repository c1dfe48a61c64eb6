"""``aeon seed``: fills a database with made-up people, chats and messages.

The rows come from ``storage.seeding``; this decides how much goes where and shows a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import trio
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from storage import seeding
from storage.database import Database
from storage.ids import ChatId, UserId

DEFAULT_MEMBERS_PER_CHAT: Final = 12
_MESSAGES_PER_STATEMENT: Final = 5_000
_PEOPLE_PER_STATEMENT: Final = 10_000
_WORKERS: Final = 2
# COPY-sized statements take seconds on a slow disk; they are ours, not a client's.
_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '10min'"


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made."""

    people: seeding.People
    chat_ids: tuple[ChatId, ...]
    messages: int


Advance = Callable[[int], None]
"""Called with the number of rows (people, chats, messages) just made."""


async def seed(
    database: Database,
    *,
    users: int,
    chats: int,
    messages: int,
    members_per_chat: int = DEFAULT_MEMBERS_PER_CHAT,
    viewer_id: UserId | None = None,
    console: Console | None = None,
) -> Seeded:
    """Make people, groups of them, and messages spread evenly; shows a progress bar.

    May run again on the same database: new people and chats are added beside the old.

    Args:
        database: a migrated database.
        users: how many people to make.
        chats: how many groups.
        messages: over all groups.
        members_per_chat: bounded by ``users``.
        viewer_id: somebody who exists and becomes a member of every group.
        console: where the bar goes; standard error if None.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as progress:
        task = progress.add_task("Seeding", total=users + chats + messages)
        return await fill(
            database,
            users=users,
            chats=chats,
            messages=messages,
            members_per_chat=members_per_chat,
            viewer_id=viewer_id,
            advance=lambda rows: progress.advance(task, rows),
        )


async def fill(
    database: Database,
    *,
    users: int,
    chats: int,
    messages: int,
    members_per_chat: int = DEFAULT_MEMBERS_PER_CHAT,
    viewer_id: UserId | None = None,
    advance: Advance = lambda _: None,
) -> Seeded:
    """Make what ``seed`` makes, without a bar."""
    people = await _add_people(database, users, advance)
    chat_ids: list[ChatId] = []
    shares = _shares(messages, chats)

    async def work() -> None:
        for number, share in shares:
            member_ids = people.member_ids(number, members_per_chat)
            if viewer_id is not None:
                member_ids.append(viewer_id)
            chat_ids.append(await add_filled_chat(database, member_ids, share, advance=advance))

    async with trio.open_nursery() as nursery:
        for _ in range(_WORKERS):
            nursery.start_soon(work)
    async with database.connection() as conn:
        await seeding.analyze(conn)
    return Seeded(people=people, chat_ids=tuple(sorted(chat_ids)), messages=messages)


async def add_filled_chat(
    database: Database,
    member_ids: list[UserId],
    messages: int,
    *,
    advance: Advance = lambda _: None,
) -> ChatId:
    """Make one group with messages and everybody's read cursor."""
    async with database.transaction("add_filled_chat") as conn:
        chat_id = await seeding.add_chat(conn, member_ids, title=f"Seeded, {messages} messages")
    advance(1)
    for count in _portions(messages, _MESSAGES_PER_STATEMENT):
        async with database.transaction("add_messages") as conn:
            await conn.execute(_STATEMENT_TIMEOUT)
            await seeding.add_messages(conn, chat_id, count)
        advance(count)
    if messages:
        async with database.transaction("add_cursors") as conn:
            await seeding.add_cursors(conn, chat_id)
    return chat_id


async def _add_people(database: Database, count: int, advance: Advance) -> seeding.People:
    first_id: UserId | None = None
    for portion in _portions(count, _PEOPLE_PER_STATEMENT):
        async with database.transaction("add_people") as conn:
            added = await seeding.add_people(conn, portion)
        first_id = added.first_id if first_id is None else first_id
        advance(portion)
    if first_id is None:
        raise ValueError("there must be at least one person")
    return seeding.People(first_id=first_id, count=count)


def _shares(messages: int, chats: int) -> Iterator[tuple[int, int]]:
    """Number the chats and give each its part of the messages; the parts add up."""
    for number in range(chats):
        yield number, messages * (number + 1) // chats - messages * number // chats


def _portions(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
