"""``aeon top`` as a process, against a real node, printed and on a terminal."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path

import orjson
import pytest
import trio

from aeon.main import serve_node
from aeon.services import Services
from tests.e2e.operators.conftest import ADMIN_TOKEN, Blockade
from tests.helpers.clients import Server

ANNA, BORIS = 1001, 1002
PROJECT = Path(__file__).parents[3]
DEADLINE_SECONDS = 30.0
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][AB0])")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aeon", "top", *arguments]


def environment(token: str = ADMIN_TOKEN) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "ADMIN_TOKEN": token,
        "TERM": "xterm-256color",
        "COLUMNS": "140",
    }


async def run(directory: Path, *arguments: str, token: str = ADMIN_TOKEN) -> tuple[int, str, str]:
    """Give the exit status, standard output and standard error."""
    with trio.fail_after(DEADLINE_SECONDS):
        done = await trio.run_process(
            command(*arguments), check=False, capture_stdout=True, capture_stderr=True,
            env=environment(token), cwd=directory,
        )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, master: int, process: trio.Process) -> None:
        self.process = process
        self._master = master
        self._text = ""
        self._changed = trio.Event()

    @property
    def text(self) -> str:
        """All that was shown so far, without colours."""
        return ESCAPE.sub("", self._text)

    async def listen(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._master)
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux's way to say that nobody has the other end any more
                return
            self._text += data.decode(errors="replace")
            changed, self._changed = self._changed, trio.Event()
            changed.set()

    async def wait_for(self, words: str) -> None:
        """Wait until something is shown that was not there when this was called."""
        seen = self.text.count(words)
        with trio.fail_after(DEADLINE_SECONDS):
            while self.text.count(words) <= seen:
                await self._changed.wait()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def status(self) -> int:
        with trio.fail_after(DEADLINE_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def on_a_terminal(directory: Path, *arguments: str) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
    before = termios.tcgetattr(slave)
    try:
        process = await trio.lowlevel.open_process(
            command(*arguments), stdin=slave, stdout=slave, stderr=subprocess.PIPE,
            env=environment(), cwd=directory, start_new_session=True,
        )  # fmt: skip
        terminal = Terminal(master, process)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(terminal.listen)
            try:
                yield terminal
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            nursery.cancel_scope.cancel()
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(slave)
        os.close(master)


async def test_it_prints_what_is_stuck(server: Server, blockade: Blockade, tmp_path: Path) -> None:
    async with (
        server.person(BORIS),
        server.person(ANNA) as anna,
        trio.open_nursery() as nursery,
    ):
        chat_id = await anna.create_group(BORIS)
        blockade.chats.add(chat_id)
        body = {"chat_id": chat_id, "text": "held up"}
        nursery.start_soon(lambda: anna.request("POST", "/api/v1/messages/", json=body, timeout=60))
        await blockade.caught.wait()
        await trio.sleep(1.1)  # an actor is called stuck after a second
        status, shown, _ = await run(tmp_path, "--url", server.url, "--once")
        json_status, document, _ = await run(tmp_path, "--url", server.url, "--json")
        blockade.lifted.set()
    assert (status, json_status) == (0, 0)
    assert "1 actor is stuck" in shown
    assert f"chat/{chat_id} at SendMessage" in shown
    assert "held up" not in shown + document
    figures = orjson.loads(document)
    assert [row["address"] for row in figures["stuck"]] == [f"chat/{chat_id}"]
    assert figures["system"]["node"]


async def test_it_is_live_on_a_terminal(server: Server, tmp_path: Path) -> None:
    async with (
        server.person(BORIS),
        server.person(ANNA) as anna,
        on_a_terminal(tmp_path, "--url", server.url, "--interval", "0.2") as terminal,
    ):
        await terminal.wait_for("order: busiest")
        chat_id = await anna.create_group(BORIS)
        await terminal.wait_for(f"chat/{chat_id}")
        terminal.type("s")
        await terminal.wait_for("order: current")
        terminal.type("q")
        assert await terminal.status() == 0


async def test_a_server_that_goes_away_is_a_sentence(services: Services, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        listening = await nursery.start(serve_node, services, stop)
        arguments = ("--url", listening.url, "--interval", "0.2", "--patience", "2")
        async with on_a_terminal(tmp_path, *arguments) as terminal:
            await terminal.wait_for("order: busiest")
            stop.set()
            await terminal.wait_for("trying again")
            assert await terminal.status() == 1
            assert terminal.process.stderr is not None
            said = (await terminal.process.stderr.receive_some()).decode()
    assert re.fullmatch(r"aeon top: http://\S+ can not be reached: .*; gone for .*\n", said)


@pytest.mark.parametrize(
    ("arguments", "token", "status", "words"),
    [
        (("--url", "http://127.0.0.1:1"), ADMIN_TOKEN, 1, "can not be reached"),
        (("--url", "nonsense"), ADMIN_TOKEN, 2, "is no URL"),
        (("--url", "http://127.0.0.1:1"), "", 2, "ADMIN_TOKEN"),
        (("--sort", "nonsense"), ADMIN_TOKEN, 2, "busiest"),
    ],
)
async def test_what_is_wrong_is_told_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], token: str, status: int, words: str
) -> None:
    found, shown, said = await run(tmp_path, *arguments, token=token)
    assert found == status
    assert words in said
    assert "Traceback" not in said
    assert shown == ""


async def test_a_stranger_is_told_so(server: Server, tmp_path: Path) -> None:
    status, shown, said = await run(tmp_path, "--url", server.url, token="a-token-that-is-wrong")
    assert (status, shown) == (1, "")
    assert "does not accept this admin token" in said
    assert "a-token-that-is-wrong" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
async def test_a_full_disk_is_a_sentence(server: Server, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full, trio.fail_after(DEADLINE_SECONDS):  # noqa: ASYNC230 - a device
        done = await trio.run_process(
            command("--json", "--url", server.url),
            check=False,
            stdout=full,
            capture_stderr=True,
            env=environment(),
            cwd=tmp_path,
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert done.stderr.startswith(b"aeon top: the output can not be written")
