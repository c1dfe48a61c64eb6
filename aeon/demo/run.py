"""The demo's course: start a server, let two people talk, compare what both saw."""

from __future__ import annotations

import logging
import secrets
import time
from pathlib import Path
from typing import Final

import trio
from rich.console import Console
from rich.table import Table

from aeon.cli.faults import leaves
from aeon.config import Settings
from aeon.demo.person import DemoFailed, Json, Person, connect
from aeon.interruption import run_until_interrupted
from aeon.main import run_node
from aeon.observe import configure_logging
from aeon.server import Listening
from aeon.telegram.init_data import sign
from storage.embedded import throwaway_directory

ANNA_ID: Final = 700_001
BORIS_ID: Final = 700_002
DEADLINE_SECONDS: Final = 120.0


def run(*, messages: int, verbose: bool) -> int:
    """Run the demo; returns the exit status."""
    console = Console()
    status = 1
    try:
        status = run_until_interrupted(_in_a_directory, messages, verbose, console)
    except* DemoFailed as group:
        for error in leaves(group):
            console.print(f"[red]The demo failed:[/red] {error}")
    return status


async def _in_a_directory(messages: int, verbose: bool, console: Console) -> int:
    # Made and removed while signals are received: none can leave it behind.
    with throwaway_directory("aeon-demo-") as directory:
        settings = _settings(directory)
        configure_logging(settings, level=logging.INFO if verbose else logging.CRITICAL)
        return await _demo(settings, messages, console)


def _settings(directory: Path) -> Settings:
    # Telegram's tokens are "<bot id>:<35 characters>"; nobody else ever sees this one.
    return Settings(
        _env_file=None,
        host="127.0.0.1",
        port=0,
        database_url=None,
        data_dir=directory,
        upload_dir=directory / "uploads",
        telegram_bot_token=f"{secrets.randbelow(10**9) + 1}:{secrets.token_hex(18)[:35]}",
        secret_key=secrets.token_urlsafe(48),
    )


async def _demo(settings: Settings, messages: int, console: Console) -> int:
    stop = trio.Event()
    started_at = time.perf_counter()
    with trio.fail_after(DEADLINE_SECONDS):
        async with trio.open_nursery() as nursery:
            with console.status("Starting PostgreSQL and the server"):
                listening: Listening = await nursery.start(run_node, settings, stop)
            ready_seconds = time.perf_counter() - started_at
            console.print(f"Server on {listening.url}, ready in {ready_seconds:.1f} s")
            try:
                status = await _talk(settings, listening.url, messages, console)
            finally:
                stop.set()
    return status


async def _talk(settings: Settings, url: str, messages: int, console: Console) -> int:
    def signed(user_id: int, first_name: str) -> str:
        token = settings.telegram_bot_token
        assert token is not None
        return sign(
            token.get_secret_value(),
            user={"id": user_id, "first_name": first_name},
            auth_date=int(time.time()),
        )

    async with (
        connect(url, "Anna", ANNA_ID, signed(ANNA_ID, "Anna")) as anna,
        connect(url, "Boris", BORIS_ID, signed(BORIS_ID, "Boris")) as boris,
    ):
        chat = await anna.post(
            "/api/v1/chats/",
            {"title": "Demo", "chat_type": "group", "member_ids": [BORIS_ID]},
        )
        latencies = await _exchange(anna, boris, chat["id"], messages)
        await _edit_and_read(anna, boris, chat["id"])
        sent = messages * 2
        for person in (anna, boris):
            await person.wait_for_messages(sent)
        history = await anna.get(f"/api/v1/messages/chat/{chat['id']}?per_page=100")
    _show(console, anna, boris, latencies)
    faults = [
        *_faults(anna, chat["id"], sent),
        *_faults(boris, chat["id"], sent),
        *_history_faults(history, sent),
    ]
    for fault in faults:
        console.print(f"[red]{fault}[/red]")
    if not faults:
        console.print(f"[green]All {sent} messages reached both, once and in order.[/green]")
    return 1 if faults else 0


async def _exchange(anna: Person, boris: Person, chat_id: int, messages: int) -> list[float]:
    """Both talk at once; returns each message's seconds from sending to the other's socket."""
    latencies: list[float] = []

    async def talk(sender: Person, receiver: Person) -> None:
        for number in range(1, messages + 1):
            sent_at = time.perf_counter()
            ack = await sender.command(
                "send_message",
                chat_id=chat_id,
                text=f"{sender.name} says {number}",
                client_msg_id=f"demo-{sender.name}-{number}",
            )
            message_id = ack["message"]["id"]
            latencies.append(await receiver.arrival_of(message_id) - sent_at)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk, anna, boris)
        nursery.start_soon(talk, boris, anna)
    return latencies


async def _edit_and_read(anna: Person, boris: Person, chat_id: int) -> None:
    first = next(
        event["message"]
        for event in anna.events
        if event["type"] == "new_message" and event["message"]["sender_id"] == anna.user_id
    )
    await anna.command("edit_message", message_id=first["id"], text="Anna says one, corrected")
    await boris.command("mark_read", chat_id=chat_id)
    for person in (anna, boris):
        for kind in ("message_edited", "message_read"):
            await person.wait_for_event(kind)


def _show(console: Console, anna: Person, boris: Person, latencies: list[float]) -> None:
    for person in (anna, boris):
        table = Table(title=f"What {person.name} saw", title_justify="left")
        table.add_column("seq", justify="right")
        table.add_column("event")
        table.add_column("what")
        for event in person.events:
            if "seq" in event:
                table.add_row(str(event["seq"]), event["type"], _summary(event))
        console.print(table)
    latencies.sort()
    median_ms, longest_ms = latencies[len(latencies) // 2] * 1000, latencies[-1] * 1000
    console.print(
        f"From sending to the other's socket: median {median_ms:.1f} ms,"
        f" longest {longest_ms:.1f} ms, {len(latencies)} messages"
    )


def _summary(event: Json) -> str:
    match event["type"]:
        case "new_message" | "message_edited":
            return f"{event['message']['sender']['first_name']}: {event['message']['text']}"
        case "message_read":
            return f"{event['user_id']} read up to {event['message_id']}"
        case "chat_created":
            return f"{event['chat']['title']}, {len(event['chat']['members'])} members"
        case _:
            return ""


def _faults(person: Person, chat_id: int, sent: int) -> list[str]:
    durable = [
        event for event in person.events if event.get("chat_id") == chat_id and "seq" in event
    ]
    faults = []
    seqs = [event["seq"] for event in durable]
    if seqs != list(range(1, len(seqs) + 1)):
        faults.append(f"{person.name}: the sequence has gaps or repeats: {seqs}")
    texts = [event["message"]["text"] for event in durable if event["type"] == "new_message"]
    if len(texts) != sent or len(set(texts)) != sent:
        faults.append(f"{person.name}: {len(texts)} messages instead of {sent}")
    return faults


def _history_faults(history: Json, sent: int) -> list[str]:
    if history["total"] == sent:
        return []
    return [f"history holds {history['total']} messages instead of {sent}"]
