"""Workers: what two processes deliver, against one, on the same machine in the same run.

A few people talk in groups in which everybody is, so that the work is handing out, not writing:
the database is far from its limit, and what is left of the processors is shown. Writing costs two
workers more than one, because each hears of everything: in smaller groups they gain less. One
worker and two are measured in turn, several times; figures are ratios of medians. There are two:

- by the clock: what arrived in a second; the one that is wanted. Two workers, the database and the
  clients share the machine's processors, so on two of them it falls short of what two workers can
  do, and it means nothing while other programs keep the processors busy;
- by processor time: what arrived for each second that the busiest worker computed. It is what a
  worker with a processor to itself would do, whoever else is at work.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from aeon.bench.child import child, first_line
from aeon.interruption import run_until_interrupted
from aeon.load.endpoint import find
from aeon.load.http import HttpClient
from aeon.load.own_server import own_server
from aeon.load.plan import user_ids
from aeon.load.server_figures import cpu_of_tree
from aeon.load.stage import Stage

CROWD: Final = [sys.executable, "-m", "aeon.bench.crowd"]
CHATS: Final = 6
"""Each has one who talks, a message at a time: so that nothing is joined that comes apart when the
work is divided, and somebody is handed to while another waits for a commit."""
TALKERS_PER_CHAT: Final = 1
WINDOW: Final = 1
WARM_UP_SECONDS: Final = 2.0
WANTED_RATIO: Final = 1.5
_DATABASE: Final = {"postgres"}
_PROCESSORS: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class WorkersResult:
    """One measurement."""

    workers: int
    members: int
    deliveries_per_second: int
    server_cpu: float
    """Processors that all workers and their supervisor kept busy."""
    database_cpu: float
    clients_cpu: float
    idle_cpu: float
    """Processors that nobody used."""
    others_cpu: float
    """Processors that programs outside of this run kept busy."""
    us_per_delivery: float
    """Server CPU time."""
    deliveries_per_worker_second: int
    """Of the processor time of the busiest worker."""


async def measure(
    members: int, seconds: float, rounds: int, counts: Sequence[int]
) -> list[WorkersResult]:
    """Measure each count of workers in turn, ``rounds`` times."""
    return [await _measure_one(count, members, seconds) for _ in range(rounds) for count in counts]


async def _measure_one(workers: int, members: int, seconds: float) -> WorkersResult:
    async with own_server(max_chat_members=max(1_000, members), workers=workers) as server:
        plan = await _plan(server.url, server.bot_token, members, seconds)
        async with child(CROWD) as crowd:
            assert crowd.stdin is not None
            assert crowd.stdout is not None
            async with crowd.stdin:
                await crowd.stdin.send_all(json.dumps(plan).encode())
            if await first_line(crowd) != "begin":
                raise RuntimeError("the clients did not begin")
            before, idle_before = cpu_of_tree(server.pid), _idle_seconds()
            line = b"".join([bytes(data) async for data in crowd.stdout])
            after, idle_after = cpu_of_tree(server.pid), _idle_seconds()
    heard = json.loads(line)
    return _result(workers, members, heard, before, after, idle_after - idle_before)


async def _plan(url: str, bot_token: str, members: int, seconds: float) -> dict[str, Any]:
    """Log everybody in, put all of them into each chat, and say who does what."""
    endpoint = await find(url)
    with HttpClient(endpoint) as http:
        stage = Stage(endpoint, http, "bench")
        ids = user_ids(1, members)
        people = await stage.log_in(bot_token, ids)
        chats = await stage.make_chats([ids[number:] + ids[:number] for number in range(CHATS)])
    paths = [f"/ws?init_data={quote(person.init_data, safe='')}" for person in people]
    talkers = [
        (paths[number], chats[number % CHATS].chat_id) for number in range(CHATS * TALKERS_PER_CHAT)
    ]
    return {
        "port": int(url.rpartition(":")[2]),
        "listeners": paths,
        "talkers": talkers,
        "window": WINDOW,
        "warm_up_seconds": WARM_UP_SECONDS,
        "seconds": seconds,
    }


def _result(
    workers: int,
    members: int,
    heard: dict[str, float],
    before: dict[int, tuple[str, float]],
    after: dict[int, tuple[str, float]],
    idle_seconds: float,
) -> WorkersResult:
    spent = {
        pid: (name, seconds - before.get(pid, (name, 0.0))[1])
        for pid, (name, seconds) in after.items()
    }
    database = sum(seconds for name, seconds in spent.values() if name in _DATABASE)
    of_server = [seconds for name, seconds in spent.values() if name not in _DATABASE]
    server = sum(of_server)
    wall, deliveries = heard["seconds"], heard["deliveries"]
    ours = server + database + heard["cpu_seconds"]
    return WorkersResult(
        workers=workers,
        members=members,
        deliveries_per_second=int(deliveries / wall),
        server_cpu=round(server / wall, 2),
        database_cpu=round(database / wall, 2),
        clients_cpu=round(heard["cpu_seconds"] / wall, 2),
        idle_cpu=round(idle_seconds / wall, 2),
        others_cpu=round(max(0.0, _PROCESSORS - (idle_seconds + ours) / wall), 2),
        us_per_delivery=round(server / deliveries * 1e6, 2),
        deliveries_per_worker_second=int(deliveries / max(of_server)),
    )


def _idle_seconds() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / 100.0


def ratios(results: Sequence[WorkersResult]) -> dict[str, float]:
    """Say how many times as much two workers deliver as one, by either measure."""

    def rate(workers: int) -> tuple[float, float]:
        of_these = [one for one in results if one.workers == workers]
        return (
            median(one.deliveries_per_second for one in of_these),
            median(one.deliveries_per_worker_second for one in of_these),
        )

    (clock_1, processor_1), (clock_2, processor_2) = rate(1), rate(2)
    return {"by_clock": clock_2 / clock_1, "by_processor_time": processor_2 / processor_1}


def show(results: Sequence[WorkersResult], console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title="Workers: deliveries to a crowd; processors busy, by whom")
    names = ("workers", "deliveries/s", "server", "database", "clients", "others", "idle")
    for name in (*names, "us/delivery", "per worker s"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(
            str(result.workers),
            f"{result.deliveries_per_second:,}",
            f"{result.server_cpu:.2f}",
            f"{result.database_cpu:.2f}",
            f"{result.clients_cpu:.2f}",
            f"{result.others_cpu:.2f}",
            f"{result.idle_cpu:.2f}",
            f"{result.us_per_delivery:.2f}",
            f"{result.deliveries_per_worker_second:,}",
        )
    console.print(table)


def command(
    members: Annotated[
        int, typer.Option(help="People in each chat, all connected.", min=10)
    ] = 1_000,
    seconds: Annotated[float, typer.Option(help="How long each measurement takes.", min=1)] = 6.0,
    rounds: Annotated[int, typer.Option(help="How often each is measured.", min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure what two workers deliver against one. Starts servers and a Redis of its own."""
    results = run_until_interrupted(measure, members, seconds, rounds, (1, 2))
    found = ratios(results)
    is_missed = found["by_clock"] < WANTED_RATIO
    if as_json:
        document = {"results": [asdict(one) for one in results], **found, "missed": is_missed}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        console = Console(width=110)
        show(results, console)
        style = "red" if is_missed else None
        text = (
            f"two workers: {found['by_clock']:.2f} times one by the clock,"
            f" {found['by_processor_time']:.2f} by processor time; wanted {WANTED_RATIO}"
        )
        console.print(text, style=style, highlight=False)
    if is_missed:
        raise typer.Exit(1)
