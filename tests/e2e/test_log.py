"""What a server writes to its log while it is used, misused and broken.

One run of a real process at DEBUG does everything people and operators can do, and much that they
should not. Whatever a person wrote, is called or logged in with holds a marker, and the log is
searched for it; and one request is followed by its id from the edge to the commit.
"""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import trio

from tests.helpers.clients import DEADLINE_SECONDS, Rest, Server
from tests.helpers.files import picture
from tests.helpers.node_process import serving
from tests.helpers.proxy import PostgresProxy
from tests.helpers.telegram import BOT_TOKEN, init_data

ANNA, BORIS, STRANGER = 1001, 1002, 1003
MARK = "Sesame"
"""In everything that is nobody's business, and in nothing else."""
ADMIN_TOKEN = f"admin-{MARK}-token-of-a-test"
METRICS_TOKEN = f"metrics-{MARK}-token-of-a-test"
KEY = MARK + "k" * 40
BREAKING = ('{"type": "%s', '["%s"]', '{"type": "send_message", "chat_id": "%s"}', "%s")


@dataclass
class Run:
    """A server process and what it has logged."""

    server: Server
    proxy: PostgresProxy
    log: Path
    secrets: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[dict[str, Any]]:
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    async def find(self, **fields: object) -> dict[str, Any]:
        """Wait for a line with these fields; a list's field has to hold the value."""
        with trio.fail_after(DEADLINE_SECONDS):
            while True:
                for line in self.lines():
                    if all(_has(line.get(name), value) for name, value in fields.items()):
                        return line
                await trio.sleep(0.02)


def _has(found: object, wanted: object) -> bool:
    return wanted in found if isinstance(found, list) else found == wanted


@asynccontextmanager
async def running(database_url: str, directory: Path, log_format: str) -> AsyncIterator[Run]:
    log = directory / "server.log"
    async with PostgresProxy.open(database_url) as proxy:
        with log.open("w") as stream:
            settings = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format, "DEBUG": "true"}
            settings |= {"ADMIN_TOKEN": ADMIN_TOKEN, "METRICS_TOKEN": METRICS_TOKEN}
            settings |= {"S3_URL": f"https://{MARK}.example", "S3_SECRET_KEY": MARK}
            process = serving(proxy.url, directory, stderr=stream, SECRET_KEY=KEY, **settings)
            # In threads: the proxy that it connects through is a task of this one.
            server, started = await trio.to_thread.run_sync(process.__enter__)
            try:
                yield Run(server, proxy, log)
                started.send_signal(signal.SIGTERM)
                await trio.to_thread.run_sync(started.wait, 15)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(process.__exit__, None, None, None)


async def test_nothing_that_people_write_or_log_in_with_is_logged(
    database_url: str, tmp_path: Path
) -> None:
    """Faults: a body, a query, an exception's text, a variable of a traceback in a line."""
    async with running(database_url, tmp_path, "json") as run:
        run.secrets += [BOT_TOKEN.partition(":")[2], "init_data=", "token="]
        async with (
            run.server.person(ANNA, f"{MARK}-Anna", username=f"{MARK}_anna") as anna,
            run.server.person(BORIS, f"{MARK}-Boris") as boris,
        ):
            run.secrets += [anna.headers["X-Telegram-Init-Data"][-64:]]
            chat_id = await use_rest(run, anna, boris)
            await use_files(anna, chat_id)
            await use_realtime(run, chat_id)
            await misuse(run, anna, chat_id)
            await operate(run, chat_id)
            await break_database(run, anna, chat_id)
    logged = run.log.read_text()

    assert MARK.lower() not in logged.lower()
    assert [secret for secret in run.secrets if secret in logged] == []
    unused = [line["names"] for line in run.lines() if line["event"] == "settings_unused"]
    assert unused == [["S3_SECRET_KEY", "S3_URL"]]
    events = {line["event"] for line in run.lines()}
    assert events >= {"request_answered", "command_answered", "batch_committed", "request_refused"}
    assert "Traceback" in logged or '"exception"' in logged, "no error was logged with its place"


async def test_one_id_leads_from_the_edge_to_the_commit(database_url: str, tmp_path: Path) -> None:
    """Faults: the id ends at the edge; the actor logs the id of whoever woke it first."""
    async with (
        running(database_url, tmp_path, "json") as run,
        run.server.person(ANNA) as anna,
        run.server.connected(ANNA) as socket,
    ):
        chat_id = await anna.create_group()
        await anna.post(
            "/api/v1/messages/",
            {"chat_id": chat_id, "text": "hello"},
            headers={"X-Request-ID": "follow-me"},
        )
        edge = await run.find(event="request_answered", request_id="follow-me")
        actor = await run.find(event="commands_answered", request_ids="follow-me")
        commit = await run.find(event="batch_committed", request_ids="follow-me")

        greeting = await socket.event("connection_established")
        await socket.command("ping")
        await socket.command("send_message", chat_id=chat_id, text="hello")
        second = f"{greeting['session_id']}-2"
        command = await run.find(event="command_answered", request_id=second)
        await run.find(event="batch_committed", request_ids=second)

        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        address = f"/api/v1/admin/actors/chat/{chat_id}"
        shown = (await anna.http.get(address, headers=headers)).json()

        run.proxy.cut_reply_after = b"COMMIT"
        body = {"chat_id": chat_id, "text": "nobody knows", "client_msg_id": "k"}
        broken = {"X-Request-ID": "breaks"}
        await anna.request("POST", "/api/v1/messages/", json=body, headers=broken)
        run.proxy.cut_reply_after = None
        crash = await run.find(logger="actors.runtime", request_id="breaks")

    assert edge["route"] == "/api/v1/messages/"
    assert (actor["chat_id"], actor["events"], commit["commands"]) == (chat_id, 1, 1)
    assert (command["type"], command["outcome"]) == ("send_message", "ok")
    assert {"follow-me", second} <= {one["request_id"] for one in shown["recent"]}
    assert f"chat/{chat_id}" in crash["event"] or f"chat:{chat_id}" in crash["event"]


async def use_rest(run: Run, anna: Rest, boris: Rest) -> int:
    chat_id = await anna.create_group(BORIS, title=f"{MARK} title")
    sent = await anna.send(chat_id, f"{MARK} text", client_msg_id=f"{MARK}-key")
    await anna.send(chat_id, f"{MARK} text", client_msg_id=f"{MARK}-key")
    await anna.put(f"/api/v1/messages/{sent['id']}", {"text": f"{MARK} edited"})
    await boris.get(f"/api/v1/messages/chat/{chat_id}")
    await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all")
    await anna.put(f"/api/v1/chats/{chat_id}", {"title": f"{MARK} new", "description": MARK})
    await anna.post(f"/api/v1/chats/{chat_id}/invite-by-username", {"username": f"{MARK}_zoe"})
    await anna.request("PUT", "/api/v1/me", json={"first_name": f"{MARK}-Other", MARK: MARK})
    await anna.request("GET", "/api/v1/users/lookup", params={"username": f"{MARK}_anna"})
    raw = anna.headers["X-Telegram-Init-Data"]
    token = (await anna.post("/api/v1/auth/token", {"init_data": raw}))["access_token"]
    run.secrets += [token, token.rpartition(".")[2]]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await anna.http.get("/api/v1/me", headers=bearer)).is_success
    await anna.http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}x"})
    async with run.server.person(STRANGER, f"{MARK}-Zoe", username=f"{MARK}_zoe") as zoe:
        await zoe.get(f"/api/v1/chats/{chat_id}")
    return chat_id


async def use_files(anna: Rest, chat_id: int) -> None:
    upload = "/api/v1/messages/upload-media"
    for content in (picture("PNG", (32, 32)), b"\x89PNG\r\n\x1a\n" + MARK.encode(), b""):
        file = (f"{MARK}.png", content)
        answer = await anna.request("POST", upload, files={"file": file})
        if answer.is_success:
            media_id = answer.json()["media_id"]
            await anna.send(chat_id, f"{MARK} caption", media_id=media_id)
            url = answer.json().get("url") or answer.json().get("media_url")
            if url:
                await anna.http.get(url)
                await anna.http.get(f"{url}{MARK}")
    await anna.request("POST", upload, content=f"--{MARK}", headers={"Content-Type": "text/x"})
    named = {"Upload-Length": "6", "Tus-Resumable": "1.0.0", "Upload-Metadata": f"filename {MARK}"}
    await anna.request("POST", "/api/v1/uploads", headers=named)


async def use_realtime(run: Run, chat_id: int) -> None:
    async with run.server.connected(ANNA, f"{MARK}-Anna") as socket:
        await socket.command("send_message", chat_id=chat_id, text=f"{MARK} over a socket")
        await socket.command("typing", chat_id=chat_id, is_typing=True)
        await socket.command("resume", cursors={str(chat_id): 0})
        for frame in BREAKING:
            await socket.send_raw(frame % MARK)
        await socket.send_raw(MARK.encode())
        await socket.command("ping")
    raw = init_data(ANNA, f"{MARK}-Anna")
    async with run.server.socket() as late:
        await late.send("auth", init_data=f"{MARK}")
        await late.wait_closed()
    async with run.server.socket() as late:
        await late.send("auth", init_data=raw)
        await late.event("connection_established")
    for query in (f"?init_data={quote(raw[:-1])}{MARK}", f"?token={MARK}.{MARK}.{MARK}"):
        async with run.server.socket(query) as refused:
            await refused.wait_closed()


async def misuse(run: Run, anna: Rest, chat_id: int) -> None:
    bodies: tuple[Any, ...] = (
        {"chat_id": chat_id, "text": f"{MARK}\x00"},
        {"chat_id": chat_id, "text": f"{MARK} \ud800"},
        {"chat_id": 2**62, "text": MARK},
        {"chat_id": chat_id, MARK: MARK},
        {"chat_id": chat_id, "text": MARK * 5_000},
        [MARK],
        MARK,
    )
    for body in bodies:
        content = json.dumps(body)
        await anna.request("POST", "/api/v1/messages/", content=content)
    await anna.request("POST", "/api/v1/messages/", content=f'{{"{MARK}')
    await anna.request("GET", f"/api/v1/messages/chat/{chat_id}", params={"q": MARK, "page": MARK})
    await anna.request("GET", f"/{MARK}", params={"init_data": MARK})
    await anna.request("GET", "/api/v1/me", headers={"X-Request-ID": f"{MARK} not an id"})
    await anna.request("PATCH", f"/api/v1/chats/{MARK}")
    async with httpx.AsyncClient(base_url=run.server.url) as nobody:
        await nobody.get("/api/v1/me", headers={"X-Telegram-Init-Data": f"user={MARK}&hash={MARK}"})
        await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {MARK}"})
        await nobody.get("/metrics", headers={"Authorization": f"Bearer {MARK}"})
        await nobody.get("/api/v1/admin/actors", headers={"Authorization": f"Bearer {MARK}"})
    stream = await trio.open_tcp_stream(run.server.host, run.server.port)
    async with stream:
        await stream.send_all(f"GET /{MARK} {MARK}\r\n{MARK}\r\n\r\n".encode())
        await stream.receive_some()


async def operate(run: Run, chat_id: int) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx.AsyncClient(base_url=run.server.url, headers=bearer) as http:
        for path in ("actors", f"actors/chat/{chat_id}", "tree", "sessions", "system", "audit"):
            assert (await http.get(f"/api/v1/admin/{path}", params={"q": MARK})).is_success, path
        await http.post(f"/api/v1/admin/actors/chat/{chat_id}/restart")
        await http.post("/api/v1/admin/actors/chat/999999/restart")
        metrics = await http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert metrics.is_success


async def break_database(run: Run, anna: Rest, chat_id: int) -> None:
    """Let commits be lost, and statements fail, under what people wrote."""
    proxy = run.proxy
    for number, words in enumerate((b"COMMIT", b"INSERT", b"UPDATE")):
        proxy.cut_reply_after = words
        body = {"chat_id": chat_id, "text": f"{MARK} lost", "client_msg_id": f"{MARK}{number}"}
        await anna.request("POST", "/api/v1/messages/", json=body)
        await anna.request("POST", "/api/v1/chats/", json={"title": f"{MARK} lost"})
        proxy.cut_reply_after = None
    proxy.cut_reply_after = b"messages"
    await anna.request("GET", f"/api/v1/messages/chat/{chat_id}")
    proxy.cut_reply_after = None
