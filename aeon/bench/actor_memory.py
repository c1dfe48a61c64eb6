"""Resident memory of idle actors. Each form is measured in a fresh process.

Run by `aeon.bench.actors` as ``python -m aeon.bench.actor_memory FORM COUNT``; prints bytes
per actor. Memory a process has once used seldom goes back, so forms can not share one.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
import trio.testing

from actors.runtime import ActorSystem, Props
from aeon.bench.actor_cases import Sink

Form = Callable[[int], Awaitable[float]]


def resident_bytes() -> int:
    """What the process holds in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the peak, which is the present for these measurements
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def _baseline() -> int:
    gc.collect()
    gc.freeze()
    return resident_bytes()


async def channel_task(count: int) -> float:
    """The bare counterpart: a task that waits on its memory channel."""

    async def serve(receive: trio.MemoryReceiveChannel[int]) -> None:
        async for _ in receive:
            pass

    channels = []
    used = 0.0
    async with trio.open_nursery() as nursery:
        before = _baseline()
        for _ in range(count):
            send, receive = trio.open_memory_channel[int](64)
            channels.append(send)
            nursery.start_soon(serve, receive)
        await trio.testing.wait_all_tasks_blocked()
        used = (resident_bytes() - before) / count
        nursery.cancel_scope.cancel()
    return used


async def idle(count: int) -> float:
    """Actors that have handled a message and wait for the next."""
    used = 0.0
    async with ActorSystem("bench", shutdown_seconds=600) as system:
        system.register("sink", Sink, Props(shutdown_seconds=600))
        before = _baseline()
        for key in range(count):
            system.ref("sink", key).tell(key)
        await trio.testing.wait_all_tasks_blocked()
        used = (resident_bytes() - before) / count
    return used


async def passivated(count: int) -> float:
    """What is left of actors that were activated, handled a message and went to rest."""
    warm_up, measured = 2, 3
    before = used = 0.0
    async with ActorSystem("bench", sweep_seconds=0.05) as system:
        system.register("sink", Sink, Props(idle_after_seconds=0.0))
        for crowd in range(warm_up + measured):
            # The first crowds pay for what Python keeps for reuse; later ones show what stays.
            if crowd == warm_up:
                before = float(_baseline())
            for key in range(crowd * count, (crowd + 1) * count):
                system.ref("sink", key).tell(key)
            await _until_empty(system)
        gc.collect()
        totals = system.snapshot().kinds[0]
        assert totals.handled == totals.passivated == (warm_up + measured) * count
        used = (resident_bytes() - before) / (measured * count)
    return max(0.0, used)


async def _until_empty(system: ActorSystem) -> None:
    await trio.testing.wait_all_tasks_blocked()
    while system.count():  # noqa: ASYNC110 - the runtime has no need to tell
        await trio.sleep(0.01)


FORMS: dict[str, Form] = {"channel task": channel_task, "idle": idle, "passivated": passivated}


def measure(form: str, count: int) -> float:
    """Bytes per actor of ``form`` at ``count`` actors, in a new process."""
    command = [sys.executable, "-m", "aeon.bench.actor_memory", form, str(count)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output.strip())


if __name__ == "__main__":
    sys.stdout.write(f"{trio.run(FORMS[sys.argv[1]], int(sys.argv[2]))}\n")
