"""The parent's course of a run: stage, load, verify, report."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from aeon.load.endpoint import find
from aeon.load.faults import LoadFault
from aeon.load.http import HttpClient
from aeon.load.options import Options
from aeon.load.own_server import own_server
from aeon.load.page import build_page
from aeon.load.plan import RUNS, ChatPlan, divide, groups, user_ids
from aeon.load.processes import Collected, Hooks, run_processes
from aeon.load.read_back import compare_with_server
from aeon.load.record import write_record
from aeon.load.report import Clients, Run, build_report, exit_status
from aeon.load.server_figures import ServerFigures
from aeon.load.stage import Stage
from aeon.load.summary import show
from aeon.load.verdict import Verdict, judge

MAX_READ_BACK_EVENTS: Final = 200_000
"""Beyond it the event logs are not compared; the live verification is whole in any case."""
_DEFAULT_MAX_MEMBERS: Final = 1_000


async def conduct(options: Options, console: Console) -> int:
    """Do a whole run and tell how it went; returns the exit status.

    Raises:
        UsageFault: what was asked makes no sense, or is not possible with this server.
        LoadFault: the run could not begin.
    """
    async with _server_of(options, console) as (urls, bot_token, pid):
        endpoint = await find(urls[0])
        with HttpClient(endpoint) as http:
            figures = ServerFigures(http, pid, options.metrics_token)
            run_number = secrets.randbelow(RUNS)
            mark = f"{run_number:08x}"
            run = await _load(
                options,
                console,
                Stage(endpoint, http, mark),
                figures,
                run=mark,
                ids=user_ids(run_number, options.users),
                bot_token=bot_token,
                urls=urls,
            )
    report = build_report(run)
    write_report(options, report)
    if options.json_path != "-":
        show(console, report)
    return exit_status(report)


async def _load(
    options: Options,
    console: Console,
    stage: Stage,
    figures: ServerFigures,
    *,
    run: str,
    ids: list[int],
    bot_token: str,
    urls: tuple[str, ...],
) -> Run:
    await stage.check_server()
    with console.status(f"Logging in {options.users} people, making chats"):
        people = await stage.log_in(bot_token, ids)
        chats = await stage.make_chats(groups(options, ids))
    started_at = datetime.now(UTC)
    with progress(console, options, figures.look, figures.look) as hooks:
        collected = await run_processes(divide(options, run, urls, people, chats), hooks)
    if options.record_path:
        write_record(options.record_path, run, chats, collected.evidence)
    with console.status("Verifying"):
        verdict, read_back = await verify(stage, run, chats, collected)
    if not (options.keep_chats or options.self_serve or collected.faults):
        await stage.delete_chats(chats)
    return Run(
        options=options,
        url=" ".join(urls),
        started_at=started_at,
        chats=len(chats),
        measurements=collected.measurements,
        verdict=verdict,
        clients=Clients(cpu_seconds=collected.cpu_seconds, wall_seconds=collected.wall_seconds),
        server=figures.to_json(),
        faults=list(dict.fromkeys(collected.faults)),
        read_back=read_back,
    )


async def verify(
    stage: Stage, run: str, chats: list[ChatPlan], collected: Collected
) -> tuple[Verdict, bool]:
    """Judge the evidence; tells also whether the server's store was compared.

    When the run was broken off, what had not arrived by then is not held against the server.
    """
    evidence = collected.evidence
    if collected.faults:
        return judge(evidence, is_complete=False), False
    verdict = judge(evidence)
    if sum(evidence.last_seqs().values()) > MAX_READ_BACK_EVENTS:
        return verdict, False
    try:
        verdict.add(await compare_with_server(stage, run, chats, evidence))
    except LoadFault as fault:
        collected.faults.append(str(fault))
        return verdict, False
    return verdict, True


@asynccontextmanager
async def _server_of(
    options: Options, console: Console
) -> AsyncIterator[tuple[tuple[str, ...], str, int | None]]:
    """Give the URLs, the bot token and, of a server of our own, the process id."""
    if not options.self_serve:
        yield options.urls, options.bot_token, None
        return
    console.print("Starting PostgreSQL and the server", highlight=False)
    most = max(_DEFAULT_MAX_MEMBERS, options.users)
    async with own_server(
        max_chat_members=most,
        workers=options.workers,
        restart_every_seconds=options.restart_every_seconds,
    ) as server:
        yield (server.url,), server.bot_token, server.pid


@contextmanager
def progress(
    console: Console,
    options: Options,
    on_start: Callable[[], Awaitable[None]],
    on_played: Callable[[], Awaitable[None]],
) -> Iterator[Hooks]:
    """Show how far the run is; ``on_start`` and ``on_played`` are called at its turns."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}"),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task(
            options.scenario.value, total=options.duration_seconds, doing="connecting"
        )
        began = 0.0

        async def start() -> None:
            nonlocal began
            await on_start()
            began = time.monotonic()

        def step(sums: Mapping[str, int]) -> None:
            gone = time.monotonic() - began if began else 0.0
            progress.update(task, completed=gone, doing=_doing(sums))

        async def played() -> None:
            progress.update(task, completed=options.duration_seconds, doing="waiting for the rest")
            await on_played()

        yield Hooks(on_start=start, on_progress=step, on_played=played)


def _doing(sums: Mapping[str, int]) -> str:
    shown = ("sent", "acked", "delivered", "connected", "requests", "errors")
    return "  ".join(f"{name} {sums[name]:,}" for name in shown if sums.get(name))


def write_report(options: Options, report: Mapping[str, Any]) -> None:
    """Write the report to where the options say."""
    if options.json_path:
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n"
        if options.json_path == "-":
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
        else:
            Path(options.json_path).write_bytes(text)
    if options.html_path:
        Path(options.html_path).write_text(build_page(report), encoding="utf-8")
