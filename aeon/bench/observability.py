"""What counting and recording cost: messages with metrics and flight recorder on and off, by turns.

One node writes to a throw-away PostgreSQL; many chats send at once through the dispatcher of the
realtime protocol (parse, validate, use case, actor, group commit, fan-out to members' sessions),
without sockets, so that nothing hides the cost. Slices with and without take turns within one
process: with them, edge, writer and recorder count, the event loop's lag is sampled, and
``/metrics`` is scraped every fifteen seconds of it, as Prometheus usually does. Off can
be chosen here only; counters an actor needs to work (of its mailbox, its messages) always run.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Annotated, Final

import orjson
import trio
import typer
from rich.console import Console
from rich.table import Table

from actors.delivery.session import Session
from actors.runtime.address import Address
from actors.runtime.delivery import Delivery
from actors.runtime.recorder import FlightOutcome, FlightRecorder
from actors.user.ports import Attach
from aeon import garbage
from aeon.auth.principal import Method, Principal
from aeon.bench.storage_cases import Place, make_places
from aeon.config import Settings
from aeon.counts import Counts
from aeon.interruption import run_until_interrupted
from aeon.main import open_services
from aeon.metrics.scrape import scrape
from aeon.services import Services
from aeon.ws.commands import Context
from aeon.ws.dispatch import Dispatcher
from aeon.ws.resume import Resume
from storage import seeding
from storage.commands import Outcome
from storage.embedded import throwaway_directory
from storage.writer_counts import WriterCounts

MAX_COST: Final = 0.05
SCRAPE_SECONDS: Final = 15.0
MEMBERS_CONNECTED: Final = 4
TEXT: Final = "A message of ordinary length, as people write them to each other all day long."


@dataclass(frozen=True, slots=True)
class Slice:
    """Messages sent in one slice."""

    messages: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def us_per_message(self) -> float:
        """CPU of this process; PostgreSQL is another one."""
        return self.cpu_seconds / self.messages * 1e6


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over all slices; turns so short that both ways meet the same machine."""

    chats: int
    pairs: int
    messages_per_second_off: float
    messages_per_second_on: float
    us_per_message_off: float
    us_per_message_on: float
    cpu_cost: float
    """Share of CPU per message that watching adds."""
    cpu_cost_quartiles: tuple[float, float]
    """Of single pairs: how far the machine's other work moves the figure."""
    throughput_cost: float
    """Share of messages a second that it takes."""
    scrapes: int
    scrape_ms: float
    """One scrape under this load, from asking to the last byte."""


async def measure(*, chats: int, pairs: int, seconds: float) -> Figures:
    """Run the pairs, each in the opposite order of the one before."""
    with throwaway_directory("aeon-bench-") as directory:
        settings = Settings(_env_file=None, data_dir=directory, rate_limits="off")
        async with open_services(settings) as services:
            async with services.database.connection() as conn:
                people = await seeding.add_people(conn, 1_000)
            places = await make_places(services.database, people, chats)
            on = [await _dispatcher(services, place) for place in places]
            unseen = replace(services, counts=_NoCounts())
            off = [await _dispatcher(unseen, place) for place in places]
            garbage.settle()
            await _send(off, places, seconds)
            turns = await _take_turns(
                services,
                partial(_send, on, places, seconds),
                partial(_send, off, places, seconds),
                pairs,
            )
    return _figures(chats, turns)


@dataclass(slots=True)
class _Turns:
    on: list[Slice] = field(default_factory=list)
    off: list[Slice] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)


async def _take_turns(
    services: Services,
    send_on: Callable[[], Awaitable[Slice]],
    send_off: Callable[[], Awaitable[Slice]],
    pairs: int,
) -> _Turns:
    turns = _Turns()
    unscraped = 0.0
    for pair in range(pairs):
        for is_on in (True, False) if pair % 2 else (False, True):
            if not is_on:
                with _unwatched(services):
                    turns.off.append(await send_off())
                continue
            is_due = unscraped >= SCRAPE_SECONDS
            unscraped = 0.0 if is_due else unscraped
            async with _watched(services, turns.scrapes if is_due else None):
                turns.on.append(await send_on())
            unscraped += turns.on[-1].wall_seconds
    return turns


def _figures(chats: int, turns: _Turns) -> Figures:
    on, off = _sum(turns.on), _sum(turns.off)
    pairs = zip(turns.on, turns.off, strict=True)
    costs = [one.us_per_message / other.us_per_message - 1 for one, other in pairs]
    low, _, high = statistics.quantiles(costs, n=4) if len(costs) > 1 else costs * 3
    return Figures(
        chats=chats,
        pairs=len(costs),
        messages_per_second_off=round(off.messages / off.wall_seconds),
        messages_per_second_on=round(on.messages / on.wall_seconds),
        us_per_message_off=round(off.us_per_message, 2),
        us_per_message_on=round(on.us_per_message, 2),
        cpu_cost=round(on.us_per_message / off.us_per_message - 1, 4),
        cpu_cost_quartiles=(round(low, 4), round(high, 4)),
        throughput_cost=round(
            1 - on.messages / on.wall_seconds * off.wall_seconds / off.messages, 4
        ),
        scrapes=len(turns.scrapes),
        scrape_ms=round(statistics.median(turns.scrapes) * 1e3, 1) if turns.scrapes else 0.0,
    )


def _sum(slices: Sequence[Slice]) -> Slice:
    return Slice(
        sum(one.messages for one in slices),
        sum(one.wall_seconds for one in slices),
        sum(one.cpu_seconds for one in slices),
    )


async def _send(
    dispatchers: Sequence[Dispatcher], places: Sequence[Place], seconds: float
) -> Slice:
    """Let every chat's sender send, one message after the other."""
    sent = 0
    until = trio.current_time() + seconds

    async def keep_sending(dispatcher: Dispatcher, place: Place) -> None:
        nonlocal sent
        frame = {"type": "send_message", "id": "1", "chat_id": place.chat_id, "text": TEXT}
        text = orjson.dumps(frame).decode()
        while trio.current_time() < until:
            await dispatcher.handle(text)
            sent += 1

    began, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for dispatcher, place in zip(dispatchers, places, strict=True):
            nursery.start_soon(keep_sending, dispatcher, place)
    return Slice(sent, time.perf_counter() - began, time.process_time() - cpu)


async def _dispatcher(services: Services, place: Place) -> Dispatcher:
    """A connection of the sender, and some of other members, all without sockets."""
    async with services.database.connection() as conn:
        rows = await conn.fetch_all(
            "SELECT user_id FROM members WHERE chat_id = %(chat_id)s ORDER BY user_id LIMIT %(n)s",
            {"chat_id": place.chat_id, "n": MEMBERS_CONNECTED},
        )
    for row in rows:
        if not services.fanout.is_connected(row[0]):
            await services.user(row[0]).ask(Attach(_session(row[0]), b"{}"))
    session = _session(place.sender.id)
    context = Context(
        services=services,
        principal=Principal(place.sender, Method.INIT_DATA),
        session=session,
        resume=Resume(services, session),
    )
    return Dispatcher(context)


def _session(user_id: int) -> Session:
    return Session(
        session_id=f"bench-{user_id}",
        user_id=user_id,  # type: ignore[arg-type]  # a number of a row
        transport=_Nowhere(),
        on_close=lambda _: None,
    )


class _Nowhere:
    """A way out that takes everything."""

    pending_bytes = 0
    pending_frames = 0
    is_over = False

    def send_nowait(self, payloads: Sequence[bytes], *, transient: bool = False) -> bool:
        return True

    async def wait_drained(self) -> None:
        await trio.lowlevel.checkpoint()

    def drop_pending(self) -> None:
        pass

    async def close(self, code: int, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        pass


@asynccontextmanager
async def _watched(services: Services, scrapes: list[float] | None) -> AsyncIterator[None]:
    """Sample the lag; scrape once if there is a list for how long that took."""

    async def scrape_once(scrapes: list[float]) -> None:
        began = time.perf_counter()
        await scrape(services)
        scrapes.append(time.perf_counter() - began)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(services.loop_lag.run)
        if scrapes is not None:
            nursery.start_soon(scrape_once, scrapes)
        yield
        nursery.cancel_scope.cancel(reason="the slice is over")


@contextmanager
def _unwatched(services: Services) -> Iterator[None]:
    """Take recorder and tally away for a while."""
    writer = services.writer._writer
    assert writer is not None
    kinds = [registry.kind for registry in services.system._registries.values()]
    recorders, counters = [kind.recorder for kind in kinds], writer._counters
    writer._counters = _NoWriterCounts()
    for kind in kinds:
        kind.recorder = _NoRecorder(1, time.perf_counter)
    try:
        yield
    finally:
        writer._counters = counters
        for kind, recorder in zip(kinds, recorders, strict=True):
            kind.recorder = recorder


class _NoCounts(Counts):
    def command(self, command_type: str, outcome: str, seconds: float) -> None:
        """Do nothing."""


class _NoWriterCounts(WriterCounts):
    def tried(self, size: int) -> None:
        """Do nothing."""

    def answered(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Do nothing."""


class _NoRecorder(FlightRecorder):
    def record(
        self,
        address: Address,
        batch: Sequence[Delivery[object]],
        started_at: float,
        ended_at: float,
        outcome: FlightOutcome,
    ) -> None:
        """Do nothing."""


def show(figures: Figures, console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title=f"Watching on and off, {figures.chats} chats, {figures.pairs} pairs")
    for name in ("", "off", "on", "cost"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row(
        "CPU per message, µs",
        f"{figures.us_per_message_off:.1f}",
        f"{figures.us_per_message_on:.1f}",
        f"{figures.cpu_cost:+.1%}",
    )
    table.add_row(
        "messages/s",
        f"{figures.messages_per_second_off:,.0f}",
        f"{figures.messages_per_second_on:,.0f}",
        f"{figures.throughput_cost:+.1%}",
    )
    console.print(table)
    low, high = figures.cpu_cost_quartiles
    console.print(
        f"Half of the pairs say {low:+.1%} to {high:+.1%} of CPU."
        f" A scrape under this load takes {figures.scrape_ms:.0f} ms."
    )


def command(
    chats: Annotated[int, typer.Option(help="Chats that are written to at once.", min=1)] = 100,
    pairs: Annotated[int, typer.Option(help="Slices with and without.", min=1)] = 120,
    seconds: Annotated[float, typer.Option(help="Length of a slice.", min=0.05)] = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure what metrics and flight recorder cost, by turns with and without them."""
    figures = run_until_interrupted(partial(measure, chats=chats, pairs=pairs, seconds=seconds))
    is_met = figures.cpu_cost <= MAX_COST
    if as_json:
        sys.stdout.write(json.dumps({**asdict(figures), "is_met": is_met}, indent=2) + "\n")
    else:
        console = Console(width=100)
        show(figures, console)
        if not is_met:
            console.print(f"missed: more than {MAX_COST:.0%} of CPU", style="red")
    if not is_met:
        raise typer.Exit(1)
