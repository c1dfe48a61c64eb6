"""History by pages and by windows, and who read what, on a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import history, one_message
from storage.database import Database
from storage.ids import ChatId, MediaId, MessageId, UserId
from storage.records import MediaRecord, MessageRecord
from tests.helpers.talk import Talk, open_talk

A, B, C, STRANGER = UserId(1), UserId(2), UserId(3), UserId(9)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        for user_id in (A, B, C, STRANGER):
            await opened.person(user_id)
        yield opened


async def messages_in(talk: Talk, chat_id: ChatId, count: int) -> list[MessageRecord]:
    return [await talk.send(chat_id, (A, B)[n % 2], f"m{n}") for n in range(count)]


async def texts_of_page(database: Database, chat_id: ChatId, page: int, per_page: int):
    async with database.connection() as conn:
        found = await history.page(conn, chat_id, A, page, per_page)
    assert found is not None
    return [message.text for message in found.messages], found


async def test_pages_go_back_from_the_newest(talk: Talk):
    chat_id = await talk.group(A, B)
    await messages_in(talk, chat_id, 7)

    texts, first = await texts_of_page(talk.database, chat_id, 1, 3)
    assert texts == ["m4", "m5", "m6"]
    assert (first.total, first.has_next, first.has_prev) == (7, True, False)
    texts, last = await texts_of_page(talk.database, chat_id, 3, 3)
    assert texts == ["m0"]
    assert (last.has_next, last.has_prev) == (False, True)
    texts, beyond = await texts_of_page(talk.database, chat_id, 4, 3)
    assert texts == []
    assert (beyond.total, beyond.has_next) == (7, False)
    texts, _ = await texts_of_page(talk.database, chat_id, 2**61, 100)
    assert texts == []


async def test_pages_agree_with_slices_of_a_list(talk: Talk):
    """Counted from either end of the chat, with gaps, up to the last and past it."""
    chat_id = await talk.group(A, B)
    sent = await messages_in(talk, chat_id, 17)
    for message in (sent[0], sent[5], sent[6], sent[11], sent[16]):
        await talk.delete(message)
    live = [f"m{n}" for n in range(17) if n not in (0, 5, 6, 11, 16)]
    for per_page in (1, 2, 3, 5, 7, 11, 12, 13):
        for page in range(1, len(live) // per_page + 3):
            end = max(0, len(live) - (page - 1) * per_page)
            texts, found = await texts_of_page(talk.database, chat_id, page, per_page)
            assert texts == live[max(0, end - per_page) : end], (page, per_page)
            assert found.total == len(live)
            assert found.has_next == (end > per_page)


async def test_deleted_messages_are_neither_shown_nor_counted(talk: Talk):
    chat_id = await talk.group(A, B)
    sent = await messages_in(talk, chat_id, 6)
    for message in sent[1::2]:
        await talk.delete(message)

    texts, page = await texts_of_page(talk.database, chat_id, 1, 2)
    assert texts == ["m2", "m4"]
    assert (page.total, page.has_next) == (3, True)


async def test_an_empty_chat_is_an_empty_page_and_a_stranger_sees_none(talk: Talk):
    chat_id = await talk.group(A, B)
    async with talk.database.connection() as conn:
        empty = await history.page(conn, chat_id, A)
        assert await history.page(conn, chat_id, STRANGER) is None
        assert await history.page(conn, ChatId(404), A) is None
        assert await history.window(conn, chat_id, STRANGER, after_id=MessageId(0)) is None

    assert empty is not None
    assert (empty.messages, empty.total) == ((), 0)


async def test_a_removed_member_sees_nothing_and_a_returned_one_all(talk: Talk):
    chat_id = await talk.group(A, B)
    await messages_in(talk, chat_id, 2)
    await talk.remove(chat_id, A, B)
    async with talk.database.connection() as conn:
        assert await history.page(conn, chat_id, B) is None
    await talk.add(chat_id, A, B)
    async with talk.database.connection() as conn:
        page = await history.page(conn, chat_id, B)
    assert page is not None
    assert page.total == 2


async def test_messages_carry_sender_media_reply_and_edit(talk: Talk):
    chat_id = await talk.group(A, B)
    picture = MediaRecord(
        id=MediaId("a" * 32),
        uploader_id=A,
        message_type="photo",
        media_type="image/png",
        size_bytes=123,
        duration_seconds=None,
        width=4,
        height=3,
        filename="p.png",
    )
    async with talk.database.connection() as conn:
        await conn.execute(
            "INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes, width,"
            " height, filename) VALUES (%(id)s, 1, 'photo', 'image/png', 123, 4, 3, 'p.png')",
            {"id": picture.id},
        )
    sent = await talk.send(chat_id, A, "look", media_id=picture.id)
    await talk.edit(sent, "look here")

    async with talk.database.connection() as conn:
        page = await history.page(conn, chat_id, B)
        one = await one_message.get_message(conn, sent.id)
        mine = await one_message.get_message_for(conn, sent.id, B)
        assert await one_message.get_message_for(conn, sent.id, STRANGER) is None

    assert page is not None
    (message,) = page.messages
    assert message.media == picture
    assert message.sender == talk.people[A]
    assert (message.text, message.is_edited) == ("look here", True)
    assert message == one == mine


async def test_read_by_names_the_others_whose_cursor_has_passed(talk: Talk):
    chat_id = await talk.group(A, B, C)
    sent = await messages_in(talk, chat_id, 4)  # from A, B, A, B
    await talk.read(chat_id, B, sent[2].id)
    await talk.read(chat_id, C, sent[0].id)

    async with talk.database.connection() as conn:
        page = await history.page(conn, chat_id, A)
    assert page is not None
    assert [message.read_by for message in page.messages] == [(B, C), (), (B,), ()]


async def test_read_by_names_no_more_than_it_may(talk: Talk):
    """All who have read it while they are few; of many those who have read furthest."""
    readers = [await talk.person(number) for number in range(20, 20 + history.READ_BY_MAX + 5)]
    chat_id = await talk.group(A, *readers)
    (first, second) = [await talk.send(chat_id, A, text) for text in ("first", "second")]
    for reader in readers:
        await talk.read(chat_id, reader, first.id)
    few = readers[3:9]
    for reader in few:
        await talk.read(chat_id, reader, second.id)

    async with talk.database.connection() as conn:
        page = await history.page(conn, chat_id, A)
        everybody = await one_message.readers(conn, first.id, A)
    assert page is not None
    of_first, of_second = (message.read_by for message in page.messages)
    assert list(of_second) == few
    assert len(of_first) == history.READ_BY_MAX
    assert set(few) <= set(of_first) <= set(readers)
    assert list(of_first) == sorted(of_first)
    assert everybody is not None
    assert everybody.total == len(readers)


async def test_windows_before_after_and_their_edges(talk: Talk):
    chat_id = await talk.group(A, B)
    sent = await messages_in(talk, chat_id, 5)
    for message in (sent[1], sent[4]):
        await talk.delete(message)  # live: m0 m2 m3

    async def window(**place: MessageId | int):
        async with talk.database.connection() as conn:
            found = await history.window(conn, chat_id, A, **place)  # type: ignore[arg-type]
        assert found is not None
        assert found.total == 3
        return [message.text for message in found.messages], found.has_older, found.has_newer

    ids = [message.id for message in sent]
    assert await window(before_id=ids[3]) == (["m0", "m2"], False, True)
    assert await window(before_id=ids[3], limit=1) == (["m2"], True, True)
    assert await window(before_id=ids[0]) == ([], False, True)
    assert await window(before_id=ids[4]) == (["m0", "m2", "m3"], False, False)
    assert await window(before_id=2**53 - 1, limit=2) == (["m2", "m3"], True, False)
    assert await window(after_id=ids[0]) == (["m2", "m3"], True, False)
    assert await window(after_id=ids[1], limit=1) == (["m2"], True, True)
    assert await window(after_id=0, limit=2) == (["m0", "m2"], False, True)
    assert await window(after_id=ids[4]) == ([], True, False)
    assert await window(around_id=ids[2], limit=1) == (["m2"], True, True)
    assert await window(around_id=ids[2], limit=3) == (["m0", "m2", "m3"], False, False)
    assert await window(around_id=ids[0], limit=2) == (["m0", "m2"], False, True)
    assert await window(around_id=ids[4], limit=2) == (["m2", "m3"], True, False)
    assert await window(around_id=0, limit=1) == (["m0"], False, True)


async def test_a_window_has_one_place(talk: Talk):
    chat_id = await talk.group(A)
    async with talk.database.connection() as conn:
        with pytest.raises(ValueError, match="exactly one"):
            await history.window(conn, chat_id, A)
        with pytest.raises(ValueError, match="exactly one"):
            await history.window(conn, chat_id, A, before_id=MessageId(1), after_id=MessageId(1))


async def test_a_place_in_another_chat_lies_between_neighbours(talk: Talk):
    """Ids of a chat one can't see say nothing about it."""
    chat_id = await talk.group(A, B)
    await talk.send(chat_id, A, "before")
    elsewhere = await talk.group(C)
    foreign = await talk.send(elsewhere, C, "secret")
    await talk.send(chat_id, A, "after")

    async with talk.database.connection() as conn:
        older = await history.window(conn, chat_id, A, before_id=foreign.id)
        newer = await history.window(conn, chat_id, A, after_id=foreign.id)
    assert older is not None
    assert newer is not None
    assert [message.text for message in older.messages] == ["before"]
    assert [message.text for message in newer.messages] == ["after"]


async def test_locating_a_message_needs_membership(talk: Talk):
    chat_id = await talk.group(A, B)
    sent = await talk.send(chat_id, A)
    await talk.delete(sent)
    async with talk.database.connection() as conn:
        assert await one_message.locate_message(conn, sent.id, B) == chat_id
        assert await one_message.locate_message(conn, sent.id, STRANGER) is None
        assert await one_message.locate_message(conn, MessageId(2**53 - 1), A) is None


async def test_readers_come_in_pages(talk: Talk):
    everybody = [await talk.person(number) for number in range(11, 18)]
    chat_id = await talk.group(A, *everybody)
    sent = await talk.send(chat_id, A)
    for user_id in everybody[:5]:
        await talk.read(chat_id, user_id)

    async with talk.database.connection() as conn:
        first = await one_message.readers(conn, sent.id, everybody[6], limit=3)
        rest = await one_message.readers(conn, sent.id, A, after_id=everybody[2], limit=3)
        assert await one_message.readers(conn, sent.id, STRANGER) is None
    assert first is not None
    assert rest is not None
    assert [user.id for user in first.users] == everybody[:3]
    assert (first.total, first.has_more) == (5, True)
    assert [user.id for user in rest.users] == everybody[3:5]
    assert not rest.has_more


@given(
    gone=st.sets(st.integers(0, 11)),
    place=st.integers(-1, 12),
    limit=st.integers(1, 14),
)
@settings(
    max_examples=int(os.environ.get("AEON_WINDOW_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_windows_agree_with_slices_of_a_list(
    one_chat: tuple[str, ChatId, list[MessageId]], gone: set[int], place: int, limit: int
) -> None:
    url, chat_id, ids = one_chat
    live = [one for number, one in enumerate(ids) if number not in gone]
    at = MessageId(ids[place] if 0 <= place < len(ids) else (0 if place < 0 else ids[-1] + 9))
    older = [one for one in live if one < at]
    newer = [one for one in live if one > at]

    async def check() -> None:
        async with Database.open(url, pool_size=1) as database, database.connection() as conn:
            await conn.execute(
                "UPDATE messages SET is_deleted = NOT id = ANY (%(live)s::bigint[]),"
                " text = CASE WHEN id = ANY (%(live)s::bigint[]) THEN 'x' END",
                {"live": list(live)},
            )
            before = await history.window(conn, chat_id, A, before_id=at, limit=limit)
            after = await history.window(conn, chat_id, A, after_id=at, limit=limit)
            around = await history.window(conn, chat_id, A, around_id=at, limit=limit)
        assert before is not None
        assert after is not None
        assert around is not None
        assert [one.id for one in before.messages] == older[-limit:]
        assert (before.has_older, before.has_newer) == (
            len(older) > limit,
            len(older) < len(live),
        )
        assert [one.id for one in after.messages] == newer[:limit]
        assert (after.has_older, after.has_newer) == (len(newer) < len(live), len(newer) > limit)
        found = [one.id for one in around.messages]
        assert len(found) == min(limit, len(live))
        if found:
            start = live.index(found[0])
            assert found == live[start : start + limit]
            assert around.has_older == (start > 0)
            assert around.has_newer == (start + limit < len(live))
            assert at not in live or at in found

    trio.run(check)


@pytest.fixture
def one_chat(database_url: str) -> tuple[str, ChatId, list[MessageId]]:
    async def make() -> tuple[str, ChatId, list[MessageId]]:
        async with Database.open(database_url) as database, open_talk(database) as talk:
            await talk.person(A)
            chat_id = await talk.group(A)
            ids = [(await talk.send(chat_id, A, "x")).id for _ in range(12)]
        return database_url, chat_id, ids

    return trio.run(make)
