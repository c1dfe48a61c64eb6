"""Frames that make no sense: each fault has its code, and the connection stays."""

import contextlib

import pytest
from trio_websocket import ConnectionClosed

from tests.helpers.clients import Server

ANNA = 1001


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_frame", None),
        ("7", "invalid_frame", None),
        (b"{}", "invalid_frame", None),
        (b"", "invalid_frame", None),
        ("{}", "unknown_type", "type"),
        ('{"type":"fly"}', "unknown_type", "type"),
        ('{"type":["ping"]}', "unknown_type", "type"),
        ('{"type":"ping","id":7}', "invalid_field", "id"),
        ('{"type":"ping","id":"' + "x" * 65 + '"}', "invalid_field", "id"),
        ('{"type":"ping","extra":1}', "invalid_field", "extra"),
        ('{"type":"send_message","text":"x"}', "invalid_field", "chat_id"),
        ('{"type":"send_message","chat_id":"x","text":"x"}', "invalid_field", "chat_id"),
        ('{"type":"send_message","chat_id":0,"text":"x"}', "invalid_field", "chat_id"),
        ('{"type":"send_message","chat_id":1}', "invalid_field", "text"),
        ('{"type":"send_message","chat_id":1,"text":" "}', "invalid_field", "text"),
        (
            '{"type":"send_message","chat_id":1,"message_type":"photo"}',
            "invalid_field",
            "media_id",
        ),
        ('{"type":"edit_message","message_id":1}', "invalid_field", "text"),
        ('{"type":"edit_message","message_id":1,"text":null}', "invalid_field", "text"),
        ('{"type":"edit_message","message_id":1,"text":""}', "message_not_found", None),
        ('{"type":"resume","cursors":{"x":1}}', "invalid_field", "cursors.x"),
        ('{"type":"resume","cursors":{"1":-1}}', "invalid_field", "cursors.1"),
    ],
)
async def test_a_bad_frame_gets_its_error(
    server: Server, frame: str | bytes, code: str, field: str | None
) -> None:
    async with server.connected(ANNA) as socket:
        await socket.send_raw(frame)
        error = await socket.event("error")
        pong = await socket.command("ping")

    assert (error["code"], error.get("field")) == (code, field)
    assert error["retryable"] is False
    assert pong["type"] == "pong"


async def test_a_text_one_character_too_long(server: Server) -> None:
    async with server.person(ANNA) as anna, server.connected(ANNA) as socket:
        chat_id = await anna.create_group()
        longest = await socket.command("send_message", chat_id=chat_id, text="\U0001f600" * 4096)
        too_long = await socket.command("send_message", chat_id=chat_id, text="x" * 4097)

    assert longest["type"] == "ack"
    assert too_long["code"] == "message_too_long"


async def test_a_flood_of_nonsense_ends_the_connection(server: Server) -> None:
    async with server.connected(ANNA) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(10_000):
                await socket.send_raw("{")
        closed = await socket.wait_closed()

    assert closed.code == 4010


async def test_a_frame_over_the_limit_ends_the_connection(server: Server) -> None:
    async with server.connected(ANNA) as socket:
        await socket.send_raw("x" * 65_537)
        closed = await socket.wait_closed()

    assert closed.code == 1009
