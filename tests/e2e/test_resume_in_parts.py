"""Cursors that fit in no single frame come in several resumes: no gap, no repeat, no misorder."""

import pytest

from storage import event_log
from storage.errors import Unavailable
from tests.helpers.clients import Rest, Server, Socket

ANNA = 1001


async def chats_with_a_message(anna: Rest, titles: str) -> list[int]:
    chats = [await anna.create_group(title=title) for title in titles]
    for chat_id in chats:
        await anna.send(chat_id, "missed")
    return chats


def seqs(socket: Socket, chat_id: int) -> list[int]:
    return [event["seq"] for event in socket.events if event["chat_id"] == chat_id]


def fail_once(patch: pytest.MonkeyPatch) -> None:
    """Let the next replay find no database."""
    read = event_log.read_events_for

    async def away(*_args: object) -> None:
        patch.setattr(event_log, "read_events_for", read)
        raise Unavailable("away")

    patch.setattr(event_log, "read_events_for", away)


@pytest.mark.parametrize("query", ["&resume=1", ""])
async def test_what_a_later_part_names_is_silent_until_then(server: Server, query: str) -> None:
    async with server.person(ANNA) as anna:
        one, other, unnamed = chats = await chats_with_a_message(anna, "ABC")
        async with server.connected(ANNA, query=query) as socket:
            first = await socket.command("resume", cursors={str(one): 1}, has_more=True)
            for chat_id in chats:
                await anna.send(chat_id, "meanwhile")
            await socket.event("new_message", chat_id=one, seq=3)
            await socket.command("ping")
            before = [seqs(socket, chat_id) for chat_id in chats]
            last = await socket.command("resume", cursors={str(other): 1})
            for chat_id in chats:
                await anna.send(chat_id, "live")
            await socket.event("new_message", chat_id=unnamed, seq=4)

    assert before == [[2, 3], [], []]
    assert [seqs(socket, chat_id) for chat_id in chats] == [[2, 3, 4], [2, 3, 4], [4]]
    assert (list(first["chats"]), first["resync"]) == ([str(one)], [])
    assert (list(last["chats"]), last["resync"]) == ([str(other)], [unnamed])


async def test_a_chat_joined_between_two_parts_is_loaded_afresh(server: Server) -> None:
    async with server.person(ANNA) as anna:
        (old,) = await chats_with_a_message(anna, "A")
        async with server.connected(ANNA, query="&resume=1") as socket:
            await socket.command("resume", cursors={str(old): 1}, has_more=True)
            new = await anna.create_group()
            await socket.event("chat_created", chat_id=new)
            middle = await socket.command("resume", cursors={"999999": 1}, has_more=True)
            last = await socket.command("resume", cursors={})
            await anna.send(new, "live")
            await socket.event("new_message", chat_id=new, seq=2)

    assert (middle["left"], middle["resync"]) == ([999_999], [])
    assert last["resync"] == [new]


async def test_a_part_that_failed_leaves_no_hole(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the parts behind it were sent before its error came."""
    async with server.person(ANNA) as anna:
        lost, brought, again = chats = await chats_with_a_message(anna, "ABC")
        async with server.connected(ANNA, query="&resume=1") as socket:
            fail_once(monkeypatch)
            failed = await socket.command("resume", cursors={str(lost): 1}, has_more=True)
            await socket.command("resume", cursors={str(brought): 1}, has_more=True)
            await anna.send(lost, "not before what was missed")
            fail_once(monkeypatch)
            failed_last = await socket.command("resume", cursors={str(again): 1})
            await anna.send(lost, "nor after a last part that failed")
            last = await socket.command("resume", cursors={str(again): 1})
            for chat_id in chats:
                await anna.send(chat_id, "live")
            await socket.event("new_message", chat_id=again, seq=3)

    assert failed["code"] == failed_last["code"] == "unavailable"
    assert last["resync"] == [lost]
    assert [seqs(socket, chat_id) for chat_id in chats] == [[5], [2, 3], [2, 3]]


async def test_after_the_last_part_a_resume_begins_anew(server: Server) -> None:
    async with server.person(ANNA) as anna:
        one, other = await chats_with_a_message(anna, "AB")
        async with server.connected(ANNA, query="&resume=1") as socket:
            await socket.command("resume", cursors={str(one): 2}, has_more=True)
            await socket.command("resume", cursors={str(other): 2})
            alone = await socket.command("resume", cursors={str(other): 2})

    assert alone["resync"] == [one]
