"""SIGKILL in the middle of sends: every acked message is there afterwards, once."""

import signal
import subprocess
from pathlib import Path

import trio

from tests.helpers.clients import Server
from tests.helpers.node_process import serving

ANNA = 1001


async def test_every_acked_message_survives_sigkill_exactly_once(
    database_url: str, tmp_path: Path
) -> None:
    acked: set[str] = set()
    sent: list[str] = []
    with serving(database_url, tmp_path) as (server, process):
        async with server.person(ANNA) as anna:
            chat_id = await anna.create_group()
        await _send_until_killed(server, process, chat_id, sent, acked)

    with serving(database_url, tmp_path) as (server, _):
        async with server.person(ANNA) as anna:
            stored = await _all_texts(anna, chat_id)
            # What was not acked may or may not be there; its retry must not double it.
            for text in sent:
                await anna.send(chat_id, text, client_msg_id=text)
            after_retry = await _all_texts(anna, chat_id)

    assert len(acked) > 20
    assert acked <= set(stored)
    assert len(stored) == len(set(stored))
    assert sorted(after_retry) == sorted(sent)


async def _send_until_killed(
    server: Server,
    process: "subprocess.Popen[str]",
    chat_id: int,
    sent: list[str],
    acked: set[str],
) -> None:
    async def send(lane: int) -> None:
        async with server.connected(ANNA) as socket:
            for number in range(1000):
                text = f"{lane}-{number}"
                sent.append(text)
                try:
                    reply = await socket.command(
                        "send_message", chat_id=chat_id, text=text, client_msg_id=text
                    )
                except (AssertionError, trio.TooSlowError, OSError):
                    return
                if reply["type"] == "ack":
                    acked.add(text)
                if len(acked) == 100:
                    process.send_signal(signal.SIGKILL)

    async with trio.open_nursery() as nursery:
        for lane in range(4):
            nursery.start_soon(_quietly, send, lane)


async def _quietly(send, lane: int) -> None:  # type: ignore[no-untyped-def] # a test's closure
    """The connection of a killed server ends in many ways; all of them are expected here."""
    import trio_websocket

    try:
        await send(lane)
    except* (trio_websocket.ConnectionClosed, OSError):
        pass


async def _all_texts(anna, chat_id: int) -> list[str]:  # type: ignore[no-untyped-def] # a Rest
    texts: list[str] = []
    page = 1
    while True:
        answer = await anna.get(f"/api/v1/messages/chat/{chat_id}?page={page}&per_page=100")
        texts += [message["text"] for message in answer["messages"]]
        if not answer["has_next"]:
            return texts
        page += 1


def test_sigterm_stops_cleanly(database_url: str, tmp_path: Path) -> None:
    with serving(database_url, tmp_path) as (_, process):
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)

    assert status == 0
