"""What operators' looks at ten thousand actors cost, and how long they keep the event loop."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, get_args

import trio

from actors.runtime import ActorSystem, Props, Survey
from actors.runtime.survey import Sort
from aeon.bench.actor_cases import Sink

ROUNDS: Final = 5
ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Look:
    """One kind of look, the best of a few."""

    seconds: float
    longest_pause_seconds: float
    """The longest another task had to wait for its turn meanwhile, in CPU time."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks through a crowd, of which a few are working and some have messages waiting."""

    actors: int
    slowest_survey: Look
    """Of all sorts: a page of a hundred rows."""
    last_page: Look
    tree: Look


async def look(count: int = 10_000) -> Looks:
    """Measure in a system of ``count`` actors."""
    system = ActorSystem("bench", shutdown_seconds=0)
    system.register("sink", Sink, Props(idle_after_seconds=math.inf))
    async with system:
        for key in range(count):
            system.ref("sink", key).tell(key)
            if key % 1000 == 0:
                await trio.lowlevel.checkpoint()
        while system.snapshot(limit=0).kinds[0].handled < count:  # noqa: ASYNC110
            await trio.sleep(0.01)
        surveys = [await _best(_survey(system, Survey(sort=sort))) for sort in get_args(Sort)]
        last = Survey(sort="address", offset=count - ROWS)
        return Looks(
            actors=count,
            slowest_survey=Look(
                max(one.seconds for one in surveys),
                max(one.longest_pause_seconds for one in surveys),
            ),
            last_page=await _best(_survey(system, last)),
            tree=await _best(system.tree),
        )


def _survey(system: ActorSystem, asked: Survey) -> Callable[[], Awaitable[object]]:
    return lambda: system.survey(asked)


async def _best(work: Callable[[], Awaitable[object]]) -> Look:
    looks = [await _measure(work) for _ in range(ROUNDS)]
    return Look(min(one.seconds for one in looks), min(one.longest_pause_seconds for one in looks))


async def _measure(work: Callable[[], Awaitable[object]]) -> Look:
    longest = 0.0

    async def wait_for_turns() -> None:
        nonlocal longest
        while True:
            # Of our own thread: while the machine runs somebody else, no slice keeps the loop.
            turn = time.thread_time()
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - turn)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_turns)
        await trio.lowlevel.checkpoint()
        began = time.perf_counter()
        await work()
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return Look(seconds, longest)
