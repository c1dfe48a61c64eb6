"""The same cases for the real group writer and the fake that actors are tested with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors.chat.decide import decide
from storage.commands import (
    AlreadyExists,
    AnyCommand,
    Committed,
    CursorMoved,
    Duplicate,
    EventAppender,
    Outcome,
    Rejected,
    RejectReason,
    Unchanged,
)
from storage.database import Database
from storage.events import DurableEvent, MessageDeleted, MessageEdited, MessageSent
from storage.ids import MediaId, UserId
from storage.records import ChatType, MediaRecord, Role
from storage.writer import GroupWriter
from tests.helpers.commands import (
    add,
    close,
    create,
    delete,
    edit,
    promote,
    read,
    remove,
    send,
    update,
)
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.people import add_people

PEOPLE = range(1, 20)
PHOTO = MediaRecord(
    id=MediaId("f" * 32),
    uploader_id=UserId(1),
    message_type="photo",
    media_type="image/png",
    size_bytes=1,
    duration_seconds=None,
    width=None,
    height=None,
    filename=None,
)


@asynccontextmanager
async def open_real(request: pytest.FixtureRequest) -> AsyncIterator[EventAppender]:
    async with Database.open(request.getfixturevalue("database_url")) as database:
        await add_people(database, PEOPLE)
        async with database.connection() as conn:
            await conn.execute(
                "INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes)"
                " VALUES (%(id)s, %(uploader_id)s, 'photo', 'image/png', 1)",
                {"id": PHOTO.id, "uploader_id": PHOTO.uploader_id},
            )
        writer = GroupWriter(database, decide)
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run)
            yield writer
            await writer.aclose()


@pytest.fixture(params=["fake", "real"])
async def appender(request: pytest.FixtureRequest) -> AsyncIterator[EventAppender]:
    if request.param == "fake":
        fake = FakeAppender(PEOPLE)
        fake.facts.media[PHOTO.id] = PHOTO
        yield fake
        return
    async with open_real(request) as real:
        yield real


@pytest.fixture(autouse=True)
def _url_first(request: pytest.FixtureRequest) -> None:
    """Make the database outside Trio: its first use starts a cluster."""
    if "real" in request.node.name:
        request.getfixturevalue("database_url")


async def run(appender: EventAppender, *commands: AnyCommand) -> list[Outcome]:
    """Append each by itself."""
    return [(await appender.append([command]))[0] for command in commands]


def kinds(outcomes: Sequence[Outcome]) -> list[Any]:
    return [
        outcome.reason if isinstance(outcome, Rejected) else type(outcome) for outcome in outcomes
    ]


def events(outcomes: Sequence[Outcome]) -> list[DurableEvent]:
    return [
        event for outcome in outcomes if isinstance(outcome, Committed) for event in outcome.events
    ]


async def test_seq_is_dense_over_all_kinds_of_events(appender: EventAppender) -> None:
    outcomes = await run(appender, create(1, 1, 2, 3))
    outcomes += await appender.append([send(1, 1), send(1, 2), send(1, 9)])
    outcomes += await run(appender, read(1, 3), add(1, 1, 4), update(1, 1, title="x"))
    outcomes += await run(appender, promote(1, 1, 2, Role.OWNER), remove(1, 2, 1), close(1, 2))

    assert [event.seq for event in events(outcomes)] == list(range(1, 11))


async def test_an_outcome_for_every_command_in_order(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2))
    outcomes = await appender.append(
        [
            send(1, 1, client_msg_id="a"),
            send(1, 9),
            send(1, 1, client_msg_id="a"),
            send(1, 2, "\x00"),
            send(1, 2, "half \ud800"),
            read(1, 2),
            read(1, 2),
        ]
    )

    assert kinds(outcomes) == [
        Committed,
        RejectReason.NOT_A_MEMBER,
        Duplicate,
        RejectReason.INVALID_DATA,
        RejectReason.INVALID_DATA,
        Committed,
        Unchanged,
    ]


async def test_a_silent_cursor_is_kept_and_leaves_no_event(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2), send(1, 1))
    outcomes = await appender.append(
        [read(1, 2, is_silent=True), read(1, 2), read(1, 2, is_silent=True), send(1, 1)]
    )
    (loud,) = await run(appender, read(1, 2))

    assert kinds(outcomes) == [CursorMoved, Unchanged, Unchanged, Committed]
    assert [event.seq for event in events(outcomes)] == [3]
    assert [event.seq for event in events([loud])] == [4]


async def test_a_silent_cursor_is_written_when_nothing_else_is(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2), send(1, 1))
    outcomes = await run(appender, read(1, 2, is_silent=True), read(1, 2))

    assert kinds(outcomes) == [CursorMoved, Unchanged]


async def test_later_commands_see_earlier_ones(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2))
    outcomes = await appender.append(
        [add(1, 1, 3), send(1, 3), remove(1, 1, 3), send(1, 3), add(1, 1, 3), send(1, 3)]
    )

    assert kinds(outcomes) == [
        Committed,
        Committed,
        Committed,
        RejectReason.NOT_A_MEMBER,
        Committed,
        Committed,
    ]


async def test_message_ids_grow_with_seq(appender: EventAppender) -> None:
    await run(appender, create(1, 1), create(2, 2, title="Other"))
    sent = []
    for chat, who in ((1, 1), (2, 2), (1, 1)):
        sent += events(await appender.append([send(chat, who), send(chat, who)]))
    ids = [event.message.id for event in sent if isinstance(event, MessageSent)]

    assert ids == sorted(set(ids))


async def test_edit_and_delete_show_what_they_did(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2))
    (sent,) = events(await run(appender, send(1, 1, "first", client_msg_id="k")))
    assert isinstance(sent, MessageSent)
    edited, deleted = events(
        await run(appender, edit(1, 1, sent.message.id, "second"), delete(1, 1, sent.message.id))
    )
    (again,) = await run(appender, send(1, 1, "first", client_msg_id="k"))

    assert isinstance(edited, MessageEdited)
    assert (edited.message.text, edited.message.is_edited) == ("second", True)
    assert edited.message.seq == sent.seq
    assert isinstance(deleted, MessageDeleted)
    assert isinstance(again, Duplicate)
    assert isinstance(again.event, MessageSent)
    assert again.event.message.text is None
    assert again.event.seq == sent.seq


async def test_only_a_file_goes_without_words(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2))
    sent = events(
        await run(
            appender,
            send(1, 1, "SECRET", media_id=PHOTO.id, client_msg_id="k"),
            send(1, 1, "words"),
        )
    )
    photo, words = (event.message.id for event in sent if isinstance(event, MessageSent))
    cleared, refused = await run(appender, edit(1, 1, photo, " "), edit(1, 1, words, ""))
    (again,) = await run(appender, send(1, 1, "SECRET", media_id=PHOTO.id, client_msg_id="k"))

    assert isinstance(cleared, Committed)
    assert isinstance(cleared.event, MessageEdited)
    message = cleared.event.message
    assert (message.text, message.is_edited, message.media) == (None, True, PHOTO)
    assert isinstance(refused, Rejected)
    assert refused.reason is RejectReason.INVALID_DATA
    assert isinstance(again, Duplicate)
    assert isinstance(again.event, MessageSent)
    assert again.event.message.text is None


async def test_one_append_sends_edits_and_deletes_replies(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2))
    (sent,) = events(await run(appender, send(1, 1, "first")))
    assert isinstance(sent, MessageSent)
    outcomes = await appender.append(
        [
            send(1, 2, "reply", reply_to_message_id=sent.message.id),
            edit(1, 1, sent.message.id),
            delete(1, 1, sent.message.id),
            send(1, 2, "late reply", reply_to_message_id=sent.message.id),
        ]
    )

    assert kinds(outcomes) == [Committed, Committed, Committed, RejectReason.REPLY_NOT_FOUND]


async def test_a_pair_and_its_freeing(appender: EventAppender) -> None:
    outcomes = await run(
        appender,
        create(1, 1, 2, type=ChatType.PRIVATE),
        create(2, 2, 1, type=ChatType.PRIVATE),
        close(1, 2),
        create(3, 2, 1, type=ChatType.PRIVATE),
    )

    assert kinds(outcomes) == [Committed, AlreadyExists, Committed, Committed]
    assert outcomes[1] == AlreadyExists(1)


async def test_notes_become_a_group(appender: EventAppender) -> None:
    outcomes = await run(
        appender,
        create(1, 1, type=ChatType.PRIVATE, title=None),
        add(1, 1, 2),
        add(1, 1, 3),
        create(2, 1, 2, type=ChatType.PRIVATE),
    )

    assert kinds(outcomes) == [Committed] * 4
    assert [event.seq for event in events(outcomes[:3])] == [1, 2, 3, 4]


async def test_forwards(appender: EventAppender) -> None:
    await run(appender, create(1, 1, 2), create(2, 2, 3, title="Other"))
    (source,) = events(await run(appender, send(1, 1, "words")))
    assert isinstance(source, MessageSent)
    source_id = source.message.id
    outcomes = await run(
        appender,
        send(2, 2, None, forward_message_id=source_id, client_msg_id="f"),
        send(2, 2, None, forward_message_id=source_id, client_msg_id="f"),
        send(2, 3, None, forward_message_id=source_id),
        send(2, 2, None, forward_message_id=source_id + 1000),
        close(1, 1),
        send(2, 2, None, forward_message_id=source_id),
    )

    assert kinds(outcomes) == [
        Committed,
        Duplicate,
        RejectReason.NOT_A_MEMBER,
        RejectReason.MESSAGE_NOT_FOUND,
        Committed,
        RejectReason.NOT_A_MEMBER,
    ]
    (copy,) = events(outcomes[:1])
    assert isinstance(copy, MessageSent)
    assert (copy.message.text, copy.message.forward_from_user_id) == ("words", 1)
    assert copy.message.forward_from_chat_id == 1


async def test_a_retried_creation(appender: EventAppender) -> None:
    outcomes = await run(
        appender,
        create(1, 1, 2, 3),
        create(2, 1, 3, 2, 77),
        send(1, 1),
        create(3, 1, 2, 3),
    )

    assert kinds(outcomes) == [Committed, AlreadyExists, Committed, Committed]


async def test_ids_out_of_range_fail_alone(appender: EventAppender) -> None:
    await run(appender, create(1, 1))
    outcomes = await appender.append(
        [
            send(1, 2**70),
            send(1, 1, reply_to_message_id=2**63),
            delete(1, 1, -1),
            edit(1, 1, 2**53),
            send(1, 1),
        ]
    )

    assert kinds(outcomes) == [RejectReason.INVALID_DATA] * 4 + [Committed]


async def test_what_is_too_long_fails_alone(appender: EventAppender) -> None:
    await run(appender, create(1, 1))
    outcomes = await appender.append(
        [
            send(1, 1, "x" * 4097),
            send(1, 1, "😀" * 4096),
            send(1, 1, client_msg_id="k" * 65),
            update(1, 1, title="t" * 256),
        ]
    )

    assert kinds(outcomes) == [
        RejectReason.INVALID_DATA,
        Committed,
        RejectReason.INVALID_DATA,
        RejectReason.INVALID_DATA,
    ]


async def test_nothing_to_append(appender: EventAppender) -> None:
    assert list(await appender.append([])) == []
