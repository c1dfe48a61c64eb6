"""``aeon load check`` without a record: nodes of our own, a soak, faults, and the verdict."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import trio
from rich.console import Console
from rich.table import Table

from aeon.load.cluster.faults import Faults
from aeon.load.cluster.kinds import check_kinds
from aeon.load.cluster.redis_process import find_redis
from aeon.load.cluster.witness import WATCHED_CHATS, Testimony, Witness
from aeon.load.cluster.world import World, open_world
from aeon.load.conductor import progress, verify, write_report
from aeon.load.endpoint import find
from aeon.load.faults import UsageFault
from aeon.load.http import HttpClient
from aeon.load.options import Options
from aeon.load.plan import RUNS, divide, groups, user_ids
from aeon.load.processes import run_processes
from aeon.load.record import write_record
from aeon.load.report import Clients, Run, build_report, exit_status
from aeon.load.stage import Stage
from aeon.load.summary import show

MOST_NODES: Final = 16
_MAX_CHAT_MEMBERS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is to be broken, beside the load."""

    load: Options
    """The soak; its URLs and bot token are those of the nodes that are started."""
    nodes: int = 3
    kinds: tuple[str, ...] = ()
    """Faults to choose from; empty: all."""
    redis_program: str = ""
    pause_seconds: float = 4.0
    """Mean time between two faults."""

    def check(self) -> None:
        """Check that it makes sense.

        Raises:
            UsageFault: it does not; the text names the flag.
        """
        self.load.check()
        check_kinds(self.kinds)
        if not 0.05 <= self.pause_seconds <= 3_600:
            raise UsageFault(f"--pause {self.pause_seconds:g} must be between 0.05 and 3600")
        if not 2 <= self.nodes <= MOST_NODES:
            raise UsageFault(f"--nodes {self.nodes} must be between 2 and {MOST_NODES}")


async def conduct_check(options: CheckOptions, console: Console) -> int:
    """Do a whole run and tell how it went; returns the exit status.

    Raises:
        UsageFault: what was asked makes no sense, or there is no Redis to start.
        LoadFault: a part did not start, or the run could not begin.
    """
    redis_program = find_redis(options.redis_program)
    console.print(f"Starting PostgreSQL, Redis and {options.nodes} nodes", highlight=False)
    async with open_world(
        nodes=options.nodes,
        redis_program=redis_program,
        max_chat_members=max(_MAX_CHAT_MEMBERS, options.load.users),
        seed=options.load.seed,
    ) as world:
        run, faults, testimony = await _run(options, world, console)
    report = build_report(run)
    report["nodes"] = options.nodes
    report["faults_injected"] = dict(sorted(faults.items()))
    report["commit_checks"] = {
        "checked": testimony.checked,
        "unchecked": testimony.unchecked,
    }
    write_report(options.load, report)
    if options.load.json_path != "-":
        _show_faults(console, report)
        show(console, report)
    return exit_status(report)


async def _run(
    options: CheckOptions, world: World, console: Console
) -> tuple[Run, Counter[str], Testimony]:
    load = replace(options.load, urls=world.urls, bot_token=world.bot_token)
    run_number = secrets.randbelow(RUNS)
    run = f"{run_number:08x}"
    ids = user_ids(run_number, load.users + options.nodes)
    people_ids, witness_ids = ids[: load.users], ids[load.users :]
    endpoint = await find(world.urls[0])
    testimony = Testimony()
    with HttpClient(endpoint) as http:
        stage = Stage(endpoint, http, run)
        with console.status(f"Logging in {load.users} people, making chats"):
            people = await stage.log_in(world.bot_token, ids)
            planned = groups(load, people_ids)
            watched = [group + witness_ids for group in planned[:WATCHED_CHATS]]
            chats = await stage.make_chats(watched + planned[WATCHED_CHATS:])
        started_at = datetime.now(UTC)
        faults = Faults(
            world, seed=load.seed, kinds=options.kinds, pause_seconds=options.pause_seconds
        )
        plans = divide(load, run, world.urls, people[: load.users], chats)
        async with trio.open_nursery() as nursery, trio.open_nursery() as witnesses:
            for person, url in zip(people[load.users :], world.urls, strict=True):
                witness = Witness(person, url, world.database, testimony)
                witnesses.start_soon(witness.run)

            async def begin() -> None:
                nursery.start_soon(faults.inject, load.duration_seconds)

            with progress(console, load, begin, trio.lowlevel.checkpoint) as hooks:
                collected = await run_processes(plans, hooks)
            witnesses.cancel_scope.cancel()
        if load.record_path:
            write_record(load.record_path, run, chats, collected.evidence)
        with console.status("Verifying"):
            verdict, read_back = await verify(stage, run, chats, collected)
    verdict.before_commit += testimony.before_commit
    finished = Run(
        options=load,
        url=" ".join(world.urls),
        started_at=started_at,
        chats=len(chats),
        measurements=collected.measurements,
        verdict=verdict,
        clients=Clients(cpu_seconds=collected.cpu_seconds, wall_seconds=collected.wall_seconds),
        server={},
        faults=list(dict.fromkeys(collected.faults)),
        read_back=read_back,
    )
    return finished, faults.injected, testimony


def _show_faults(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="Faults", title_justify="left")
    table.add_column("what")
    table.add_column("times", justify="right")
    for name, times in report["faults_injected"].items():
        table.add_row(name, str(times))
    console.print(table)
    checks = report["commit_checks"]
    console.print(
        f"{checks['checked']:,} events were looked up in PostgreSQL the moment they arrived"
        f" ({checks['unchecked']:,} more came while it was away)",
        highlight=False,
    )
