"""The client processes, seen from the parent: started, led through the run, collected."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio

from aeon.load.crew import now_ns
from aeon.load.measurements import Measurements
from aeon.load.pipes import Line, LineReader, LineWriter
from aeon.load.plan import Plan
from aeon.load.verdict import Evidence

START_IN_SECONDS: Final = 0.3
_GRACE_SECONDS: Final = 10.0
_PROJECT: Final = Path(__file__).parents[2]


@dataclass(slots=True)
class Collected:
    """What all client processes brought back."""

    measurements: Measurements = field(default_factory=Measurements)
    evidence: Evidence = field(default_factory=Evidence)
    cpu_seconds: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    """Why a process gave up; empty if none did."""

    def add(self, result: Line) -> None:
        """Add a process's result."""
        self.measurements.merge(Measurements.from_json(result["measurements"]))
        self.evidence.merge(Evidence.from_json(result["evidence"]))
        self.cpu_seconds.append(result["cpu_seconds"])
        self.wall_seconds = max(self.wall_seconds, result["wall_seconds"])


@dataclass(slots=True)
class Hooks:
    """What the parent does between the phases."""

    on_start: Callable[[], Awaitable[None]]
    """Everybody is ready; the load begins after this."""
    on_progress: Callable[[dict[str, int]], None]
    """Sums over all processes, a few times a second."""
    on_played: Callable[[], Awaitable[None]]
    """The load is over; what is under way has not arrived yet."""


class _ClientProcess:
    """One of them."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.reader = LineReader(process.stdout)
        self.writer = LineWriter(process.stdin)
        self.progress: dict[str, int] = {}
        self.result: Line | None = None
        self.fault: str | None = None


async def run_processes(plans: Sequence[Plan], hooks: Hooks) -> Collected:
    """Run every plan in a process of its own, all at the same time.

    A process that gives up ends the run; what all of them have is collected nevertheless.
    """
    patience = plans[0].patience_seconds + _GRACE_SECONDS
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(_started()) for _ in plans]
        for worker, plan in zip(workers, plans, strict=True):
            await worker.writer.write(plan.to_json())
        await _lead(workers, hooks, patience)
    collected = Collected()
    for worker in workers:
        if worker.result is not None:
            collected.add(worker.result)
        if worker.fault is not None:
            collected.faults.append(worker.fault)
    return collected


async def _lead(workers: Sequence[_ClientProcess], hooks: Hooks, patience: float) -> None:
    def show(_: Line) -> None:
        sums: dict[str, int] = {}
        for worker in workers:
            for name, count in worker.progress.items():
                sums[name] = sums.get(name, 0) + count
        hooks.on_progress(sums)

    if not await _all_reach("ready", workers, patience, show):
        return
    await hooks.on_start()
    await _tell(workers, {"start_ns": now_ns() + int(START_IN_SECONDS * 1e9)})
    played = await _all_reach("played", workers, patience, show)
    if not played:
        return
    await hooks.on_played()
    targets: dict[int, int] = {}
    for line in played:
        for chat_id, seq in line["played"]:
            targets[chat_id] = max(targets.get(chat_id, 0), seq)
    await _tell(workers, {"targets": sorted(targets.items())})
    await _all_reach("result", workers, patience, show)


async def _tell(workers: Sequence[_ClientProcess], line: Line) -> None:
    for worker in workers:
        try:
            await worker.writer.write(line)
        except trio.BrokenResourceError:
            worker.fault = "A client process died"


async def _all_reach(
    mark: str,
    workers: Sequence[_ClientProcess],
    patience: float,
    show: Callable[[Line], None],
) -> list[Line]:
    """Read until every process wrote the mark; returns their lines, none if one gave up."""
    lines: list[Line] = []
    async with trio.open_nursery() as nursery:

        async def read(worker: _ClientProcess) -> None:
            line = await _read_to(mark, worker, show)
            if line is not None:
                lines.append(line)
            else:
                # The others see the same server; give them time to say so.
                nursery.cancel_scope.deadline = trio.current_time() + patience

        for worker in workers:
            nursery.start_soon(read, worker)
    return lines if len(lines) == len(workers) else []


async def _read_to(mark: str, worker: _ClientProcess, show: Callable[[Line], None]) -> Line | None:
    while True:
        line = await worker.reader.read()
        if line is None:
            if worker.fault is None:
                status = await worker.process.wait()
                worker.fault = f"A client process died (exit status {status})"
            return None
        if "progress" in line:
            worker.progress = line["progress"]
            show(line)
        elif "fault" in line:
            worker.fault, worker.result = line["fault"], line["result"]
            return None
        elif mark in line:
            if mark == "result":
                worker.result = line["result"]
            return line


@asynccontextmanager
async def _started() -> AsyncIterator[_ClientProcess]:
    """Start a client process; it is gone at the end of the block."""
    process: trio.Process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "aeon.load.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_PROJECT,
    )
    worker = _ClientProcess(process)
    try:
        yield worker
    finally:
        with trio.CancelScope(shield=True):
            await _close(process.stdin)
            await _close(process.stdout)
            with trio.move_on_after(2.0):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _close(stream: Any) -> None:
    if stream is not None:
        await stream.aclose()
