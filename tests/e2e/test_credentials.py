"""Who may connect, how they say who they are, and what the refused are told."""

import time
from urllib.parse import quote

import orjson
import pytest

from tests.helpers.clients import Server
from tests.helpers.telegram import init_data

ANNA = 1001


async def test_init_data_in_the_query(server: Server) -> None:
    async with server.socket(f"?init_data={quote(init_data(ANNA), safe='')}") as socket:
        greeting = await socket.event("connection_established")

    assert greeting["user_id"] == ANNA
    assert greeting["protocol"] == 1
    assert greeting["heartbeat_seconds"] == 25
    assert greeting["max_frame_bytes"] == 65536
    assert greeting["server_time"].endswith("Z")
    assert greeting["session_id"]


async def test_init_data_in_a_header(server: Server) -> None:
    headers = [(b"X-Telegram-Init-Data", init_data(ANNA).encode())]
    async with server.socket(headers=headers) as socket:
        assert (await socket.event("connection_established"))["user_id"] == ANNA


async def test_init_data_in_the_first_frame(server: Server) -> None:
    async with server.socket() as socket:
        await socket.send("ping", id="early")
        error = await socket.event("error")
        await socket.send("auth", init_data=init_data(ANNA))
        greeting = await socket.event("connection_established")

    assert (error["code"], error["id"]) == ("unauthenticated", "early")
    assert greeting["user_id"] == ANNA


@pytest.mark.parametrize("reply_id", ["", "i" * 65, 5])
async def test_an_id_that_no_command_may_carry_is_not_said_back(
    server: Server, reply_id: str | int
) -> None:
    async with server.socket() as socket:
        await socket.send("ping", id=reply_id)
        error = await socket.event("error")

    assert "id" not in error


async def test_credentials_in_a_binary_frame_are_none(server: Server) -> None:
    async with server.socket() as socket:
        await socket.send_raw(orjson.dumps({"type": "auth", "init_data": init_data(ANNA)}))
        error = await socket.event("error")

    assert error["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "init_data_missing"),
        ("test_data", "init_data_invalid"),
        ("user=%7B%22id%22%3A7%7D&auth_date=1&hash=fallback", "init_data_invalid"),
        (init_data(ANNA, bot_token="1:other"), "init_data_invalid"),
        (init_data(ANNA, auth_date=int(time.time()) - 100_000), "init_data_expired"),
        (init_data(ANNA, auth_date=int(time.time()) + 3_600), "init_data_invalid"),
    ],
    ids=["empty", "placeholder", "unsigned", "another bot's", "a day old", "from the future"],
)
async def test_bad_init_data_is_refused_with_its_own_reason(
    server: Server, raw: str, reason: str
) -> None:
    async with server.socket() as socket:
        await socket.send("auth", init_data=raw)
        closed = await socket.wait_closed()

    assert (closed.code, closed.reason) == (4001, reason)


async def test_rest_refuses_with_the_same_codes(server: Server) -> None:
    async with server.person(ANNA) as anna:
        missing = await anna.http.get("/api/v1/me")
        anna.headers["X-Telegram-Init-Data"] += "0"
        tampered = await anna.request("GET", "/api/v1/me")

    assert (missing.status_code, missing.json()["code"]) == (401, "init_data_missing")
    assert (tampered.status_code, tampered.json()["code"]) == (401, "init_data_invalid")
