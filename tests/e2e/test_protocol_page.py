"""The frames of the page for client authors are what a client gets, field by field."""

from __future__ import annotations

from aeon.services import Services
from tests.helpers.clients import Json, Rest, Server, Socket
from tests.helpers.protocol_page import difference, examples, names, rows
from tests.helpers.telegram import init_data

ANNA, BORIS, CARL = 1001, 1002, 1003


async def test_frames_are_as_the_page_shows_them(server: Server, services: Services) -> None:
    real: dict[str, list[Json]] = {}
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
        server.person(CARL, "Carl"),
        server.socket() as first,
    ):
        await first.command("ping")
        await first.send("auth", init_data=init_data(ANNA))
        await first.event("connection_established")
        await _live(server, anna, boris, first, real)
        services.lifecycle.is_draining = True
        async with server.socket() as late:
            await late.wait_closed()
        for frame in first.frames + late.frames:
            if frame["type"] != "ack":
                real.setdefault(frame["type"], []).append(frame)

    shown = [example for example in examples() if not example.is_command]
    for example in shown:
        kind = example.kind
        assert real.get(kind), f"{kind}: not met"
        differences = [difference(example.frame, frame, kind) for frame in real[kind]]
        assert [] in differences, differences
    events = {name for cells in rows("Events") for name in names(cells[0])}
    assert {kind for kind in real if not kind.startswith("ack")} >= events


async def _live(
    server: Server, anna: Rest, boris: Rest, first: Socket, real: dict[str, list[Json]]
) -> None:
    """Let everything happen that the page shows, and note the acks by their command."""

    async def command(socket: Socket, kind: str, **fields: object) -> Json:
        ack = await socket.command(kind, **fields)
        real.setdefault(f"ack {kind}", []).append(ack)
        return ack

    await command(first, "ping")
    async with server.connected(BORIS, "Boris") as second:
        chat, other = [await anna.create_group(BORIS, title=title) for title in "AB"]
        sent = await command(first, "send_message", chat_id=chat, text="Hello")
        message_id = sent["message"]["id"]
        await command(first, "edit_message", message_id=message_id, text="Hello!")
        await command(first, "forward_message", message_id=message_id, chat_id=other)
        await command(first, "delete_message", message_id=message_id)
        await command(second, "mark_read", chat_id=other)
        await second.send("typing", chat_id=chat, is_typing=True)
        await first.event("typing")
        await command(first, "leave_chat", chat_id=chat)
        await anna.send(chat, "missed")
        await command(first, "join_chat", chat_id=chat)
        await command(first, "resume", cursors={str(chat): 1, "999999": 1})
        await anna.put(f"/api/v1/chats/{chat}", {"title": "New"})
        await anna.post(f"/api/v1/chats/{chat}/members/{CARL}")
        await anna.put(f"/api/v1/chats/{chat}/members/{CARL}", {"role": "admin"})
        await anna.delete(f"/api/v1/chats/{chat}/members/{CARL}")
        await anna.put("/api/v1/me", {"privacy": {"show_read_receipts": False}})
        await boris.send(chat, "read silently")
        await command(first, "mark_read", chat_id=chat)
        await first.event("read_cursor")
        await anna.delete(f"/api/v1/chats/{chat}")
    await first.event("user_status", is_online=False)
