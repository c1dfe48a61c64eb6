"""Who hides read receipts: nobody else can find out what they read, their own devices can."""

import pytest
import trio

from aeon.services import Services
from storage import event_log
from storage.ids import ChatId, Seq
from tests.helpers.clients import Json, Rest, Server, Socket

ANNA, BORIS = 1001, 1002
HIDE = {"privacy": {"show_read_receipts": False}}
SHOW = {"privacy": {"show_read_receipts": True}}


async def _own_line(person: Rest, chat_id: int) -> Json:
    lines: list[Json] = await person.get("/api/v1/chats/")
    return next(line for line in lines if line["id"] == chat_id)


async def _member(viewer: Rest, chat_id: int, user_id: int) -> Json:
    members: list[Json] = (await viewer.get(f"/api/v1/chats/{chat_id}"))["members"]
    return next(one for one in members if one["id"] == user_id)


def _tells_of_reading(frame: Json) -> bool:
    return frame["type"] in ("message_read", "read_cursor")


async def _mark(way: str, boris: Rest, phone: Socket, chat_id: int, message_id: int) -> Json:
    """Read up to a message, as any client may; gives what the reader is told."""
    if way == "socket":
        return await phone.command("mark_read", chat_id=chat_id, message_id=message_id)
    if way == "rest":
        return dict(await boris.post(f"/api/v1/messages/{message_id}/read"))
    return dict(await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all"))


@pytest.mark.parametrize("way", ["socket", "rest", "read-all"])
async def test_two_people_two_devices(server: Server, way: str) -> None:
    async with (
        server.person(BORIS, "Boris") as boris,
        server.person(ANNA) as anna,
        server.connected(ANNA) as watching,
        server.connected(BORIS, "Boris") as phone,
        server.connected(BORIS, "Boris") as laptop,
    ):
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Read me")
        await boris.put("/api/v1/me", HIDE)
        answer = await _mark(way, boris, phone, chat_id, message["id"])
        again = await _mark(way, boris, phone, chat_id, message["id"])

        # The reader: counts are exact, and the other device learns it at once.
        assert (answer["unread_count"], answer["seq"]) == (0, 2)
        assert (again["unread_count"], again["seq"]) == (0, 2)
        for device in (phone, laptop):
            told = await device.event("read_cursor", chat_id=chat_id)
            assert (told["message_id"], told["read_seq"]) == (message["id"], message["seq"])
        line = await _own_line(boris, chat_id)
        assert (line["unread_count"], line["read_seq"]) == (0, message["seq"])
        assert (await _member(boris, chat_id, BORIS))["read_seq"] == message["seq"]

        # Everybody else: nothing, wherever they look; and the log goes on without a gap.
        await anna.put(f"/api/v1/chats/{chat_id}", {"title": "Renamed"})
        updated = await watching.event("chat_updated", chat_id=chat_id)
        seen_live = next(one for one in updated["chat"]["members"] if one["id"] == BORIS)
        seen = await _member(anna, chat_id, BORIS)
        for member in (seen_live, seen):
            assert (member["read_seq"], member["read_message_id"]) == (None, None)
        log = await anna.get(f"/api/v1/chats/{chat_id}/events?after=0")
        assert [event["type"] for event in log["events"]] == [
            "chat_created",
            "new_message",
            "chat_updated",
        ]
        replayed = next(one for one in log["events"][-1]["chat"]["members"] if one["id"] == BORIS)
        assert replayed["read_seq"] is None
        page = await anna.get(f"/api/v1/messages/chat/{chat_id}")
        readers = await anna.get(f"/api/v1/messages/{message['id']}/readers")
        assert page["messages"][0]["read_by"] == []
        assert (readers["users"], readers["total"]) == ([], 0)
        assert not any(_tells_of_reading(frame) for frame in watching.frames)
        assert [event["seq"] for event in watching.events] == [1, 2, 3]


async def test_a_device_that_was_away_learns_it_from_resume(server: Server) -> None:
    async with server.person(BORIS, "Boris") as boris, server.person(ANNA) as anna:
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "One")
        await boris.put("/api/v1/me", HIDE)
        await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all")
        async with server.connected(BORIS, "Boris", query="&resume=1") as laptop:
            ack = await laptop.command("resume", cursors={str(chat_id): 2})
        over_rest = await boris.get(f"/api/v1/chats/{chat_id}/events?after=2")

    assert ack["chats"] == {
        str(chat_id): {"seq": 2, "replayed": 0, "read_seq": message["seq"]},
    }
    assert (over_rest["events"], over_rest["read_seq"]) == ([], message["seq"])


async def test_hiding_holds_from_the_next_read_and_showing_again_shows(
    server: Server, services: Services
) -> None:
    async with server.person(BORIS, "Boris") as boris, server.person(ANNA) as anna:
        chat_id = await anna.create_group(BORIS)
        first = await anna.send(chat_id, "Seen openly")
        await boris.post(f"/api/v1/messages/{first['id']}/read")
        await boris.put("/api/v1/me", HIDE)
        second = await anna.send(chat_id, "Seen in silence")
        await boris.post(f"/api/v1/messages/{second['id']}/read")
        hidden = await _member(anna, chat_id, BORIS)
        await boris.put("/api/v1/me", SHOW)
        shown = await _member(anna, chat_id, BORIS)
        third = await anna.send(chat_id, "Seen openly again")
        loud = await boris.post(f"/api/v1/messages/{third['id']}/read")
    async with services.database.connection() as conn:
        log = await event_log.read_events(conn, ChatId(chat_id), Seq(0), 100)

    assert hidden["read_seq"] is None
    assert (shown["read_seq"], shown["read_message_id"]) == (second["seq"], second["id"])
    # created, message, read, message, message, read: one silent mark left nothing.
    assert [event.seq for event in log.events] == [1, 2, 3, 4, 5, 6]
    assert loud["seq"] == 6


async def test_silent_and_open_readers_at_once(server: Server) -> None:
    """Marks of both kinds cross; the log stays dense and every count is right."""
    async with (
        server.person(BORIS, "Boris") as boris,
        server.person(1003, "Clara") as clara,
        server.person(ANNA) as anna,
        server.connected(ANNA) as watching,
    ):
        chat_id = await anna.create_group(BORIS, 1003)
        await boris.put("/api/v1/me", HIDE)
        sent = [await anna.send(chat_id, f"m{number}") for number in range(6)]
        async with trio.open_nursery() as nursery:
            for message in sent:
                for reader in (boris, clara):
                    path = f"/api/v1/messages/{message['id']}/read"
                    nursery.start_soon(reader.post, path)
        last = await anna.send(chat_id, "end")
        await watching.event("new_message", chat_id=chat_id, seq=last["seq"])
        lines = [await _own_line(reader, chat_id) for reader in (boris, clara)]

    assert [event["seq"] for event in watching.events] == list(range(1, last["seq"] + 1))
    marks = [event for event in watching.events if event["type"] == "message_read"]
    assert {mark["user_id"] for mark in marks} == {1003}
    assert [line["unread_count"] for line in lines] == [1, 1]
