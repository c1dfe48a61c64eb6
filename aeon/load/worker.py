"""A client process: plays its part of the plan that comes by standard input.

Lines it reads: the plan; ``{"start_ns"}`` when all processes are ready; ``{"targets"}`` when all
have played. Lines it writes: ``{"ready"}``, ``{"progress"}`` twice a second, ``{"played"}``,
``{"result"}`` at the end or ``{"fault"}`` with what there is. It ends when its standard input
does, so it never outlives its parent.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any, Final

import trio

from aeon.load.crew import OPENING, Crew, now_ns
from aeon.load.endpoint import find_all
from aeon.load.faults import LoadFault
from aeon.load.pace import wait_until
from aeon.load.pipes import LineReader, LineWriter
from aeon.load.plan import Plan
from aeon.load.scenarios import scene_for
from aeon.load.scenarios.scene import Scene

PROGRESS_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.1
_QUIET_LOOKS: Final = 12
"""Longer than the second between two rounds of presence."""
_MOST_LOOKS: Final = 100
_SHOWN: Final = ("sent", "acked", "delivered", "connected", "requests", "bytes_in")


class ParentGone(Exception):
    """The parent closed the pipe."""


async def work(reader: LineReader, writer: LineWriter) -> None:
    """Play a part.

    Raises:
        ParentGone: the pipe ended before the part did.
    """
    plan = Plan.from_json(await _read(reader))
    crew: Crew | None = None
    scene: Scene | None = None
    try:
        endpoints = await find_all(plan.urls)
        async with trio.open_nursery() as nursery:
            crew = Crew(plan, endpoints, nursery)
            nursery.start_soon(crew.poller.run)
            scene = scene_for(crew)
            await _play(crew, scene, reader, writer)
            crew.is_over = True
            scene.note_unanswered()
            scene.leave()
            nursery.cancel_scope.cancel()
        await writer.write({"result": _result(crew)})
    except* LoadFault as group:
        text = str(_first(group))
        if scene is not None:
            scene.note_unanswered()
        await writer.write({"fault": text, "result": _result(crew) if crew else None})


async def _play(crew: Crew, scene: Scene, reader: LineReader, writer: LineWriter) -> None:
    await scene.open()
    await _wait_for_quiet(crew)
    await writer.write({"ready": len(crew.plan.people)})
    start_ns = int((await _read(reader))["start_ns"])
    crew.start(start_ns)
    end_ns = start_ns + int(crew.plan.duration_seconds * 1e9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_progress, crew, writer)
        await scene.play(start_ns, end_ns)
        await wait_until(end_ns)
        await scene.settle()
        nursery.cancel_scope.cancel()
    await writer.write({"played": sorted(crew.evidence.last_seqs().items())})
    targets = (await _read(reader))["targets"]
    await scene.drain(dict(targets))


async def _wait_for_quiet(crew: Crew) -> None:
    """Let the news of who came online go round before the load begins."""
    quiet_looks, before = 0, -1
    for _ in range(_MOST_LOOKS):
        received = crew.measurements.total(f"{OPENING}bytes_in")
        quiet_looks = quiet_looks + 1 if received == before else 0
        if quiet_looks == _QUIET_LOOKS:
            return
        before = received
        await trio.sleep(_LOOK_SECONDS)


async def _tell_progress(crew: Crew, writer: LineWriter) -> None:
    while True:
        await trio.sleep(PROGRESS_SECONDS)
        totals = {name: crew.measurements.total(name) for name in _SHOWN}
        totals["connected"] += crew.measurements.total(f"{OPENING}connected")
        errors = sum(crew.measurements.totals("error.").values())
        await writer.write({"progress": {**totals, "errors": errors}})


def _result(crew: Crew) -> dict[str, Any]:
    return {
        "measurements": crew.measurements.to_json(),
        "evidence": crew.evidence.to_json(),
        "cpu_seconds": time.process_time(),
        "wall_seconds": (now_ns() - crew.measurements.started_ns) / 1e9,
    }


async def _read(reader: LineReader) -> dict[str, Any]:
    line = await reader.read()
    if line is None:
        raise ParentGone
    return line


def _first(group: BaseExceptionGroup[LoadFault]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _main() -> None:
    # The terminal's Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stdin = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
    stdout = trio.lowlevel.FdStream(os.dup(sys.stdout.fileno()))
    async with stdin, stdout:
        try:
            await work(LineReader(stdin), LineWriter(stdout))
        except* (ParentGone, trio.BrokenResourceError):
            sys.exit(1)


if __name__ == "__main__":
    trio.run(_main)
