"""`aeon bench storage`: group commit beside a commit per message, and reads at two sizes.

A commit per message is measured in four ways: the same writer and rules with a batch of one, over
as many connections as the pool has and over one; and one bare SQL statement without rules but
membership, over as many. Group commit is held against the first, the fastest with the same rules.

Everything runs on a PostgreSQL of its own with its ordinary, durable settings, in one run, the
ways of writing in turn. What is held to a limit are ratios: absolute figures belong to the disk.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import trio
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from aeon import garbage
from aeon.bench.storage_cases import (
    Place,
    Reading,
    Writing,
    chat_list,
    group_commit,
    make_places,
    pages,
    plain_commits,
)
from aeon.interruption import run_until_interrupted
from aeon.seed import add_filled_chat, fill
from storage import migrate, seeding
from storage.database import Database, libpq_url
from storage.embedded import EmbeddedPostgres, throwaway_directory
from storage.ids import ChatId, UserId

WRITERS: Final = (1, 16, 250)
LISTED_CHATS: Final = 200
_POOL: Final = 8
_SMALL: Final = 1_000
_CALLS: Final = 200
_PER_PAGE: Final = 50

_EACH: Final = "a commit per message, "
GROUP: Final = "group commit"
SAME_RULES: Final = f"{_EACH}same rules, {_POOL} connections"
SAME_RULES_ONE: Final = f"{_EACH}same rules, 1 connection"
PLAIN: Final = f"{_EACH}bare SQL, {_POOL} connections"
PLAIN_ONE: Final = f"{_EACH}bare SQL, 1 connection"
BASELINES: Final = (SAME_RULES, SAME_RULES_ONE, PLAIN, PLAIN_ONE)

_LIMITS: Final = {
    f"250 chats: times {SAME_RULES}": (8.0, True),
    "first page: times that of a thousand messages": (1.5, False),
    "chat list of 200: queries": (3.0, False),
}


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """Everything one run measured."""

    date: str
    machine: str
    python: str
    postgresql: str
    large_chat: int
    """Messages in the large chat."""
    total: int
    """Messages in all when the reads were timed."""
    writing: dict[str, list[Writing]]
    """By way of writing, for 1, 16 and 250 chats at once: the best of the rounds."""
    group_commit_times: dict[str, float]
    """How many times as fast as each baseline group commit was, for 250 chats at once."""
    first_page: dict[int, Reading]
    """By messages in the chat."""
    middle_page: Reading
    """Of the large chat, as far from both its ends as can be."""
    chat_list: Reading
    seed_per_second: float
    demands: dict[str, float]
    """The figures that are held to a limit."""

    @property
    def missed(self) -> list[str]:
        """The demands that were not met."""
        return [name for name, value in self.demands.items() if not _is_met(name, value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much to measure."""

    seconds: float = 2.0
    """Of each way of writing, for each number of chats, in each round."""
    rounds: int = 2
    large_chat: int = 100_000
    total: int = 300_000


async def run(sizes: Sizes, *, url: str | None = None) -> StorageFigures:
    """Measure; on a throw-away PostgreSQL unless there is a URL of an empty database."""
    async with _database(url) as database:
        async with database.connection() as conn:
            row = await conn.fetch_one("SHOW server_version")
            people = await seeding.add_people(conn, 1_000)
        places = await make_places(database, people, max(WRITERS))
        garbage.settle()
        writing = await _write(database, places, sizes)
        seeded = await _seed(database, sizes)
        small, large = await pages(
            database, ((seeded.small, 1), (seeded.large, 1)), seeded.member_id, _CALLS
        )
        first_page = {_SMALL: small, sizes.large_chat: large}
        middle = sizes.large_chat // (2 * _PER_PAGE)
        (far,) = await pages(database, [(seeded.large, middle)], seeded.member_id, _CALLS // 4)
        listed = await chat_list(database, seeded.viewer_id, _CALLS // 4)
    return StorageFigures(
        date=datetime.now(UTC).date().isoformat(),
        machine=_machine(),
        python=platform.python_version(),
        postgresql=str(row[0]) if row else "",
        large_chat=sizes.large_chat,
        total=sizes.total,
        writing=writing,
        group_commit_times=_times(writing),
        first_page=first_page,
        middle_page=far,
        chat_list=listed,
        seed_per_second=seeded.rows_per_second,
        demands=_demands(writing, first_page, listed),
    )


@asynccontextmanager
async def _database(url: str | None) -> AsyncIterator[Database]:
    if url is not None:
        await migrate.upgrade(url)
        async with Database.open(url, pool_size=_POOL) as database:
            yield database
        return
    with throwaway_directory("aeon-bench-") as directory:
        async with EmbeddedPostgres.start(directory / "postgresql") as postgres:
            await migrate.upgrade(postgres.url)
            async with Database.open(postgres.url, pool_size=_POOL) as database:
                yield database


async def _write(database: Database, places: list[Place], sizes: Sizes) -> dict[str, list[Writing]]:
    best: dict[tuple[str, int], Writing] = {}
    for _ in range(sizes.rounds):
        for count in WRITERS:
            for name, way in _ways(database, places[:count], sizes.seconds).items():
                writing = await way()
                known = best.get((name, count))
                if known is None or writing.per_second > known.per_second:
                    best[name, count] = writing
    return {name: [best[name, count] for count in WRITERS] for name in (GROUP, *BASELINES)}


def _ways(
    database: Database, places: Sequence[Place], seconds: float
) -> dict[str, Callable[[], Awaitable[Writing]]]:
    """The same messages, written in each way; ``BASELINES`` commit each by itself."""
    group = partial(group_commit, database, places, seconds)
    plain = partial(plain_commits, database, places, seconds)
    return {
        GROUP: group,
        SAME_RULES: partial(group, max_batch_commands=1, lanes=_POOL),
        SAME_RULES_ONE: partial(group, max_batch_commands=1, lanes=1),
        PLAIN: partial(plain, connections=_POOL),
        PLAIN_ONE: partial(plain, connections=1),
    }


@dataclass(frozen=True, slots=True)
class _Seeded:
    viewer_id: UserId
    """A member of the listed chats and of nothing else."""
    member_id: UserId
    """A member of the next two."""
    small: ChatId
    large: ChatId
    rows_per_second: float


async def _seed(database: Database, sizes: Sizes) -> _Seeded:
    begun = trio.current_time()
    rest = max(sizes.total - sizes.large_chat - _SMALL, LISTED_CHATS)
    async with database.connection() as conn:
        viewer = await seeding.add_people(conn, 1)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Seeding", total=sizes.total)

        def advance(rows: int) -> None:
            progress.advance(task, rows)

        seeded = await fill(
            database,
            users=1_000,
            chats=LISTED_CHATS,
            messages=rest,
            viewer_id=viewer.first_id,
            advance=advance,
        )
        member_ids = seeded.people.member_ids(0, 12)
        small = await add_filled_chat(database, member_ids, _SMALL, advance=advance)
        large = await add_filled_chat(database, member_ids, sizes.large_chat, advance=advance)
    async with database.connection() as conn:
        await seeding.analyze(conn)
    rate = sizes.total / (trio.current_time() - begun)
    return _Seeded(viewer.first_id, member_ids[0], small, large, rate)


def _demands(
    writing: dict[str, list[Writing]], first_page: dict[int, Reading], listed: Reading
) -> dict[str, float]:
    small, large = first_page.values()
    values = (
        _times(writing)[SAME_RULES],
        large.p50_ms / small.p50_ms,
        float(listed.queries),
    )
    return dict(zip(_LIMITS, values, strict=True))


def _times(writing: dict[str, list[Writing]]) -> dict[str, float]:
    group = writing[GROUP][-1].per_second
    return {name: group / writing[name][-1].per_second for name in BASELINES}


def _is_met(name: str, value: float) -> bool:
    limit, at_least = _LIMITS[name]
    return value >= limit if at_least else value <= limit


def _machine() -> str:
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{os.cpu_count()} cores of {model}"


def show(figures: StorageFigures, console: Console) -> None:
    """Print the figures as tables."""
    console.print(
        f"{figures.date}, {figures.machine}, Python {figures.python},"
        f" PostgreSQL {figures.postgresql}"
    )
    for at, count in enumerate(WRITERS):
        console.print(_writing_table(figures, at, count))
    reads = Table("reading", "p50 ms", "p95 ms", "queries")
    for size, page in figures.first_page.items():
        reads.add_row(
            f"first page of {size:,} messages",
            f"{page.p50_ms:.2f}",
            f"{page.p95_ms:.2f}",
            str(page.queries),
        )
    middle, listed = figures.middle_page, figures.chat_list
    reads.add_row(
        f"middle page of {max(figures.first_page):,} messages",
        f"{middle.p50_ms:.2f}",
        f"{middle.p95_ms:.2f}",
        str(middle.queries),
    )
    reads.add_row(
        f"list of {LISTED_CHATS} chats, {figures.total:,} messages in all",
        f"{listed.p50_ms:.2f}",
        f"{listed.p95_ms:.2f}",
        str(listed.queries),
    )
    console.print(reads)
    console.print(f"Seeded {figures.seed_per_second:,.0f} messages a second.")
    demands = Table("demand", "measured", "limit", "")
    for name, value in figures.demands.items():
        limit, at_least = _LIMITS[name]
        verdict = "met" if _is_met(name, value) else "MISSED"
        demands.add_row(name, f"{value:,.2f}", f"{'>=' if at_least else '<='} {limit:g}", verdict)
    console.print(demands)


def _writing_table(figures: StorageFigures, at: int, count: int) -> Table:
    table = Table(
        *("way of writing", "messages/s", "group is", "commits", "ms p50 / p99"),
        title=f"chats writing at once: {count}",
        caption="commits: per message; all but group commit make one for each",
        title_justify="left",
        caption_justify="left",
    )
    group = figures.writing[GROUP][at]
    for name, ways in figures.writing.items():
        way = ways[at]
        table.add_row(
            name.removeprefix(_EACH),
            f"{way.per_second:,.0f}",
            "" if way is group else f"{group.per_second / way.per_second:.1f} times",
            f"{way.commits_per_message:.3f}",
            f"{way.p50_ms:.3g} / {way.p99_ms:.3g}",
        )
    return table


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    seconds: Annotated[
        float, typer.Option(help="Time for each way of writing, in each round.", min=0.1)
    ] = 1.0,
    rounds: Annotated[int, typer.Option(help="Rounds of each way of writing.", min=1)] = 2,
    large_chat: Annotated[
        int, typer.Option(help="Messages in the large chat.", min=_SMALL + 1)
    ] = 100_000,
    total: Annotated[int, typer.Option(help="Messages in all.", min=0)] = 300_000,
    full: Annotated[
        bool, typer.Option(help="A million messages in one chat, ten million in all: minutes.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Use this empty database, and leave it full.", show_default=False),
    ] = None,
) -> None:
    """Measure writing and reading on a PostgreSQL of its own."""
    if url is not None:
        try:
            libpq_url(url)
        except ValueError:
            raise typer.BadParameter(
                "give a PostgreSQL address: postgresql://user:password@host/name",
                param_hint="--url",
            ) from None
    if full:
        large_chat, total = 1_000_000, 10_000_000
    sizes = Sizes(seconds=seconds, rounds=rounds, large_chat=large_chat, total=total)
    figures = run_until_interrupted(partial(run, sizes, url=url))
    if as_json:
        document = asdict(figures) | {"missed": figures.missed}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        show(figures, Console())
    if figures.missed:
        raise typer.Exit(1)
