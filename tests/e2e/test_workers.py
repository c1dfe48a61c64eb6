"""Several workers on one port, as one server: crashes, rolling restarts, the end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import trio

from tests.helpers.clients import Rest, Server
from tests.helpers.redis import RedisServer, free_port
from tests.helpers.telegram import init_data
from tests.helpers.workers import Workers, is_alive, serving_environment, serving_with_workers

ANNA = 1001
BEN = 1002


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = RedisServer(tmp_path)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def metrics_port() -> int:
    """A port behind which there are two free ones."""
    while True:
        base = free_port()
        with ExitStack() as stack, suppress(OSError):
            for port in (base + 1, base + 2):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return base


@pytest.fixture
def workers(
    database_url: str, redis_url: str, metrics_port: int, tmp_path: Path
) -> Iterator[Workers]:
    environment = serving_environment(
        database_url,
        tmp_path,
        REDIS_URL=redis_url,
        METRICS_BIND=f"127.0.0.1:{metrics_port}",
        WATCHDOG_SECONDS="4",
    )
    with serving_with_workers(environment, tmp_path, "--workers", "2") as running:
        yield running


class Traffic:
    """Requests all along; every one has to succeed."""

    def __init__(self, server: Server, chat_id: int) -> None:
        self.server = server
        self.chat_id = chat_id
        self.stop = trio.Event()
        self.answered = 0
        self.failures: list[str] = []

    async def kept_alive(self, user_id: int) -> None:
        """One person who sends over the same connection, one message after the other."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            await self._send_all(Rest(http, init_data(user_id), user_id), pause_seconds=0.0)

    async def now_and_then(self, user_id: int) -> None:
        """One whose connection is idle between two messages."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            await self._send_all(Rest(http, init_data(user_id), user_id), pause_seconds=0.2)

    async def afresh(self, user_id: int) -> None:
        """One whose every request is a connection of its own."""
        headers = {"Connection": "close"}
        async with httpx.AsyncClient(base_url=self.server.url, headers=headers, timeout=30) as http:
            await self._send_all(Rest(http, init_data(user_id), user_id), pause_seconds=0.0)

    async def _send_all(self, rest: Rest, pause_seconds: float) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            body = {"chat_id": self.chat_id, "text": f"{rest.user_id} says {number}"}
            try:
                answer = await rest.request("POST", "/api/v1/messages/", json=body)
            except httpx.HTTPError as error:
                self.failures.append(f"{number}: {type(error).__name__} {error}")
                continue
            if not answer.is_success:
                self.failures.append(f"{number}: {answer.status_code} {answer.text[:200]}")
            self.answered += 1
            await trio.sleep(pause_seconds)


async def test_workers_share_the_connections_and_outlive_each_other(
    workers: Workers, metrics_port: int
) -> None:
    await _check_that_each_shows_its_figures(workers, metrics_port)
    await _check_that_connections_spread(workers)
    # Replacing them is the supervisor's business: none dies of it, as is seen below.
    for pid in workers.pids().values():
        os.kill(pid, signal.SIGHUP)
    await _check_that_others_serve_when_one_dies(workers)
    await _check_that_one_that_hangs_is_replaced(workers)

    pids = workers.pids().values()
    async with workers.server.connected(ANNA) as websocket:
        workers.tell(signal.SIGTERM)
        reason = await websocket.wait_closed()
    assert reason.code == 1012
    assert await workers.ended(within_seconds=60) == 0
    assert not [pid for pid in pids if is_alive(pid)]
    # The log says who wrote each line; the supervisor's have no number.
    assert {one.get("worker") for one in workers.events("stopping")} == {None, 1, 2}


async def _check_that_each_shows_its_figures(workers: Workers, metrics_port: int) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        for number in workers.pids():
            answer = await http.get(f"http://127.0.0.1:{metrics_port + number}/metrics")
            assert answer.status_code == 200
            assert "process_start_time_seconds" in answer.text


async def _check_that_connections_spread(workers: Workers) -> None:
    server = workers.server
    spreads = []
    # A worker that the machine lets wait gets less of those that come meanwhile: three times.
    while not spreads or (min(spreads[-1]) < 24 and len(spreads) < 3):
        await _until_held(workers, lambda held: sum(held) == 0)
        streams = [await trio.open_tcp_stream(server.host, server.port) for _ in range(60)]
        spreads.append(await _until_held(workers, lambda held: sum(held) >= 60))
        for stream in streams:
            await stream.aclose()
    assert min(spreads[-1]) >= 24, spreads


async def _until_held(workers: Workers, is_so: Callable[[list[int]], bool]) -> list[int]:
    """Wait until the workers hold as many connections as wanted; gives how many each."""
    with trio.fail_after(9):
        while True:
            pids = workers.pids().values()
            held = [_accepted_by(pid, workers.server.port) for pid in pids]
            if is_so(held):
                return held
            await trio.sleep(0.02)


def _accepted_by(pid: int, port: int) -> int:
    """Count the connections to a port that a process holds."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
    held = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            held += os.readlink(descriptor) in inodes
    return held - 1  # The listening socket.


async def _check_that_others_serve_when_one_dies(workers: Workers) -> None:
    victim, other = workers.pids().values()
    os.kill(victim, signal.SIGKILL)
    async with httpx.AsyncClient(
        base_url=workers.server.url, headers={"Connection": "close"}, timeout=30
    ) as http:
        answered = 0
        while len(workers.events("worker_ready")) < 3:
            assert (await http.get("/api/v1/ready")).status_code == 200
            answered += 1
    assert answered > 3
    (death,) = workers.events("worker_died")
    assert (death["pid"], death["how"]) == (victim, "SIGKILL")
    assert is_alive(other)
    assert not is_alive(victim)


async def _check_that_one_that_hangs_is_replaced(workers: Workers) -> None:
    victim, other = workers.pids().values()
    os.kill(victim, signal.SIGSTOP)
    await workers.event("worker_ready", 4)
    (hang,) = workers.events("worker_hangs")
    assert hang["pid"] == victim
    assert is_alive(other)
    assert not is_alive(victim)


async def test_a_rolling_restart_fails_no_request_and_loses_no_message(workers: Workers) -> None:
    before = workers.pids()
    async with workers.server.person(ANNA) as anna, workers.server.person(BEN, "Ben"):
        chat_id = await anna.create_group(BEN)
        traffic = Traffic(workers.server, chat_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.kept_alive, ANNA)
            nursery.start_soon(traffic.afresh, BEN)
            nursery.start_soon(traffic.now_and_then, ANNA)
            workers.tell(signal.SIGHUP)
            await workers.event("workers_replaced")
            traffic.stop.set()
        after = workers.pids()
        page = await anna.get(f"/api/v1/messages/chat/{chat_id}?per_page=1")

    assert traffic.failures == []
    assert page["total"] == traffic.answered > 20
    assert not set(before.values()) & set(after.values())
    assert not [pid for pid in before.values() if is_alive(pid)]
    await _check_that_none_outlives_a_killed_supervisor(workers)


async def _check_that_none_outlives_a_killed_supervisor(workers: Workers) -> None:
    pids = workers.pids().values()
    workers.tell(signal.SIGKILL)
    await workers.ended(within_seconds=20)
    with trio.fail_after(60):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 - other processes
            await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"WEB_CONCURRENCY": "2", "REDIS_URL": ""}, "REDIS_URL"),
        ({"WORKERS": "1", "UPLOAD_DIR": "/dev/null/uploads"}, "UPLOAD_DIR"),
    ],
)
def test_what_a_supervisor_or_its_worker_refuses_is_a_sentence(
    database_url: str, tmp_path: Path, wrong: dict[str, str], named: str
) -> None:
    environment = serving_environment(database_url, tmp_path, **wrong)
    done = subprocess.run(
        [sys.executable, "-m", "aeon", "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
