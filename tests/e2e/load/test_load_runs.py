"""Whole runs against a real server: clean ones pass, and what is broken is said so."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from rich.console import Console
from typer.testing import CliRunner

from aeon.cli.load import app
from aeon.load.check import check
from aeon.load.conductor import conduct
from aeon.load.faults import UsageFault
from aeon.load.options import Options, Scenario
from aeon.services import Services
from tests.helpers.clients import Server
from tests.helpers.telegram import BOT_TOKEN

DELIVERIES_BEFORE_THE_DOOR_IS_SHUT = 500
"""More than presence and the making of chats cause among a dozen people."""
LONGER_AND_LONGER = (1.0, 4.0, 16.0)
"""Seconds of a run, until enough has happened on a machine that is as slow as it likes."""
ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from aeon.cli.load import app; app()"]


def console() -> Console:
    return Console(quiet=True)


async def run(server_url: str, tmp_path: Path, scenario: Scenario, **fields: Any) -> Any:
    """Run a scenario; returns (exit status, report)."""
    path = tmp_path / "report.json"
    options = Options(
        scenario=scenario,
        urls=(server_url,),
        bot_token=BOT_TOKEN,
        json_path=str(path),
        **{"users": 12, "group_size": 4, "rate": 60.0, "duration_seconds": 1.5, **fields},
    )
    options.check()
    status = await conduct(options, console())
    return status, orjson.loads(path.read_bytes())


@asynccontextmanager
async def forwarded(url: str) -> AsyncIterator[tuple[str, trio.CancelScope]]:
    """A door to the server that can be shut."""
    port = int(url.rpartition(":")[2])

    async def copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for data in source:
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await target.aclose()

    async def forward(client: trio.SocketStream) -> None:
        async with (
            await trio.open_tcp_stream("127.0.0.1", port) as upstream,
            client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(copy, client, upstream)
            nursery.start_soon(copy, upstream, client)

    door = trio.CancelScope()

    async def serve(
        *, task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with door:
            await trio.serve_tcp(forward, 0, host="127.0.0.1", task_status=task_status)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serve)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", door
        nursery.cancel_scope.cancel()


async def test_chat_over_two_processes_is_recorded_and_checks_out(
    server: Server, tmp_path: Path
) -> None:
    record, page = tmp_path / "record.json", tmp_path / "report.html"

    status, report = await run(
        server.url,
        tmp_path,
        Scenario.CHAT,
        processes=2,
        keep_chats=True,
        record_path=str(record),
        html_path=str(page),
    )

    assert (status, report["status"]) == (0, "passed"), report["verdict"]["examples"]
    assert report["counts"]["sent"] == report["counts"]["acked"] == 90
    assert report["verdict"]["checked_messages"] == 90
    assert report["verdict"]["checked_arrivals"] == report["counts"]["delivered"] == 4 * 90
    assert report["verdict"]["compared_with_event_log"]
    assert report["latencies_ms"]["delivery"]["count"] == 4 * 90
    assert report["errors"] == {}
    assert "<svg" in page.read_text()

    assert await check(str(record), server.url, BOT_TOKEN, console()) == 0


async def test_check_misses_an_acked_message_that_the_server_does_not_have(
    server: Server, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    await run(
        server.url,
        tmp_path,
        Scenario.CHAT,
        duration_seconds=0.3,
        keep_chats=True,
        record_path=str(record),
    )
    data = orjson.loads(record.read_bytes())
    key, chat_id, *_ = data["evidence"]["sends"][0]
    data["evidence"]["sends"].append([key + 10**6, chat_id, "acked", 10**6, 10**9])
    record.write_bytes(orjson.dumps(data))

    assert await check(str(record), server.url, BOT_TOKEN, console()) == 1


async def test_fanout_reaches_everybody(server: Server, tmp_path: Path) -> None:
    status, report = await run(
        server.url, tmp_path, Scenario.FANOUT, users=40, rate=20.0, duration_seconds=1.0
    )

    assert (status, report["asked"]["chats"]) == (0, 1), report["verdict"]["examples"]
    assert report["counts"]["delivered"] == 40 * 20


async def test_storm_connects_and_resumes_without_a_gap(server: Server, tmp_path: Path) -> None:
    for seconds in LONGER_AND_LONGER:
        status, report = await run(server.url, tmp_path, Scenario.STORM, duration_seconds=seconds)

        assert status == 0, (report["faults"], report["verdict"]["examples"])
        if report["counts"]["resumed"] > 12:
            break
    assert report["counts"]["resumed"] > 12
    assert report["latencies_ms"]["handshake"]["count"] == report["counts"]["connected"]


async def test_rest_polls_show_every_message(server: Server, tmp_path: Path) -> None:
    status, report = await run(server.url, tmp_path, Scenario.REST, rate=20.0)

    assert status == 0, (report["errors"], report["verdict"]["examples"])
    assert report["counts"]["acked"] == 30
    assert report["verdict"]["checked_arrivals"] > 30
    assert {"http.page", "http.list", "http.send"} <= set(report["latencies_ms"])


async def test_soak_loses_connections_and_no_event(server: Server, tmp_path: Path) -> None:
    for seconds in LONGER_AND_LONGER:
        status, report = await run(
            server.url,
            tmp_path,
            Scenario.SOAK,
            users=30,
            duration_seconds=2.5 * seconds,
            processes=2,
        )

        assert status == 0, (report["errors"], report["verdict"]["examples"])
        if report["counts"].get("resumed", 0) > 0:
            break
    assert report["counts"]["resumed"] > 0
    assert report["counts"]["other_acked"] > 0


async def test_a_server_that_goes_away_half_way_ends_the_run(
    server: Server, services: Services, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    async with forwarded(server.url) as (url, door), trio.open_nursery() as nursery:
        nursery.start_soon(_shut_while_they_talk, door, services)
        status, report = await run(
            url,
            tmp_path,
            Scenario.CHAT,
            duration_seconds=30.0,
            patience_seconds=0.5,
            record_path=str(record),
        )

    assert (status, report["status"]) == (1, "aborted")
    assert "has let anybody in for" in report["faults"][0]
    assert report["verdict"]["unacked"] > 0
    assert report["verdict"]["clean"], report["verdict"]["examples"]
    assert await check(str(record), server.url, BOT_TOKEN, console()) == 0


async def test_a_wrong_token_is_said_so(server: Server, tmp_path: Path) -> None:
    options = Options(scenario=Scenario.CHAT, urls=(server.url,), bot_token="1:" + "x" * 35)

    with pytest.raises(UsageFault, match="does not accept the bot token"):
        await conduct(options, console())


def test_the_command_starts_its_own_server_and_stops_it(tmp_path: Path) -> None:
    result = subprocess.run(
        [*COMMAND, "chat", "--self-serve", "--duration", "1", "--users", "10", "--json", "-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    report = orjson.loads(result.stdout)
    assert report["status"] == "passed"
    assert report["server"]["cpu_seconds"] > 0
    port = int(re.sub(r".*:", "", report["url"]))
    assert _is_free(port)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chat", "--rate", "0", "--self-serve"], "--rate 0 must be more than 0"),
        (["fanout", "--users", "1", "--self-serve"], "--users 1 must be between 2"),
        (["storm", "--url", "http://127.0.0.1:9", "--bot-token", "1:x"], "Nothing answers at"),
        (["check", "/nowhere", "--bot-token", "1:x"], "No such file"),
    ],
)
def test_usage_faults_are_a_sentence_and_status_2(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith("aeon load: ")
    assert says in result.stderr


async def _shut_while_they_talk(door: trio.CancelScope, services: Services) -> None:
    before = services.fanout.statistics().deliveries
    while services.fanout.statistics().deliveries < before + DELIVERIES_BEFORE_THE_DOOR_IS_SHUT:  # noqa: ASYNC110 # a count
        await trio.sleep(0.02)
    door.cancel()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
