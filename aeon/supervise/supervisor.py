"""Keeps the workers alive, replaces them, and lets them go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

import structlog
import trio

from aeon import stopping
from aeon.net.turns import ABSENT, Table, create_table
from aeon.supervise.backoff import RestartPolicy, Restarts
from aeon.supervise.orders import Orders
from aeon.supervise.process import WORKER_MODULE, WorkerProcess
from aeon.supervise.watchdog import LOOKS, Watch

START_SECONDS: Final = 90.0
"""Until a worker has to listen: the database may be recovering."""
KILL_MARGIN_SECONDS: Final = 2.0
"""Workers keep the budget themselves; one that fails to is killed this much later."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_log: Final = structlog.stdlib.get_logger(__name__)

State = Literal["ready", "reloading", "stopping"]


class ExitStatus(IntEnum):
    """How the supervisor ended."""

    DRAINED = 0
    """Told to stop, and every worker drained in time."""
    CUT_SHORT = stopping.CUT_SHORT
    """Told to stop, and something was still under way when time was up."""
    REFUSED = 2
    """A worker refused its first start, for its settings or its database, and said what to do."""
    GAVE_UP = 3
    """Workers kept failing, and none was left that served."""
    ACTORS_CUT_OFF = stopping.ACTORS_CUT_OFF
    """Told to stop, and every worker ended in time, but some had to cut actors off."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to supervise."""

    workers: int
    host: str
    port: int
    sockets: tuple[int, ...]
    """Descriptors, bound; the secure ones where there are certificates."""
    insecure_sockets: tuple[int, ...]
    metrics_sockets: tuple[int, ...]
    """One for each worker, or none at all."""
    shutdown_seconds: float
    watchdog_seconds: float = 0.0
    """A worker whose event loop stood still for that long is replaced; 0: never."""
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    module: str = WORKER_MODULE
    """What a worker runs."""


@dataclass(slots=True)
class _Place:
    """One place among the workers: somebody should be in it at any time."""

    number: int
    restarts: Restarts
    worker: WorkerProcess | None = None
    filled: trio.Event = field(default_factory=trio.Event)
    """For the first time."""
    changing: trio.Lock = field(default_factory=trio.Lock)
    """Held while somebody is started for this place."""


class Supervisor:
    """Runs once."""

    def __init__(self, plan: Plan, on_state: Callable[[State], None]) -> None:
        """``on_state`` hears what becomes of the whole."""
        self._plan = plan
        self._on_state = on_state
        self._places = [
            _Place(number, Restarts(plan.policy)) for number in range(1, plan.workers + 1)
        ]
        self._processes: set[WorkerProcess] = set()
        self._spawning = trio.Lock()
        self._stop = trio.Event()
        self._reload_asked = trio.Event()
        self._has_served = False
        self._result: ExitStatus | None = None

    async def run(self) -> ExitStatus:
        """Supervise until told to stop, or until there is nobody left to keep alive."""
        with ExitStack() as descriptors:
            # Two slots each: a successor starts beside the worker it replaces.
            self._table_fd = create_table(2 * self._plan.workers)
            self._table = Table(self._table_fd)
            self._beats_fd = create_table(2 * self._plan.workers)
            # Workers hold the other end: it ends when we do, however we do.
            self._life, life = os.pipe()
            for descriptor in (self._table_fd, self._beats_fd, self._life, life):
                descriptors.callback(os.close, descriptor)
            async with trio.open_nursery() as nursery:
                for place in self._places:
                    nursery.start_soon(self._keep_filled, place)
                nursery.start_soon(self._listen_to_signals)
                nursery.start_soon(self._announce)
                nursery.start_soon(self._reload)
                if self._plan.watchdog_seconds:
                    nursery.start_soon(self._watch)
                try:
                    await self._stop.wait()
                finally:
                    # Also when something of ours fails: no worker is left behind.
                    with trio.CancelScope(shield=True):
                        await self._let_all_go()
                nursery.cancel_scope.cancel(reason="all workers are gone")
        return ExitStatus.DRAINED if self._result is None else self._result

    async def _keep_filled(self, place: _Place) -> None:
        while True:
            async with place.changing:
                worker = place.worker = place.worker or await self._start(place.number)
            if worker is None:
                return
            if worker.serves:
                place.filled.set()
            await worker.wait()
            if place.worker is not worker:
                continue  # Replaced.
            place.worker = None
            if self._stop.is_set() or not await self._pause_after_death(place, worker):
                return

    async def _start(self, number: int) -> WorkerProcess | None:
        """Start a worker; it comes back when it listens, or when it has ended.

        None: nobody is started any more.
        """
        async with self._spawning:
            if self._stop.is_set():
                return None
            worker = await WorkerProcess.start(
                self._plan.module, lambda ready: self._orders(number, ready)
            )
            self._processes.add(worker)
        if await worker.wait_ready(START_SECONDS):
            self._has_served = True
            _log.info("worker_ready", worker=number, pid=worker.pid)
            return worker
        # It said itself what it had to say, and gets a moment to finish saying it.
        with trio.move_on_after(KILL_MARGIN_SECONDS):
            await worker.wait()
        if worker.status is None:
            worker.kill()
            await worker.wait()
        self._forget(worker)
        return worker

    def _orders(self, number: int, ready: int) -> Orders:
        taken = {worker.orders.slot for worker in self._processes}
        slots = (2 * number - 2, 2 * number - 1)
        return Orders(
            number=number,
            slot=next(slot for slot in slots if slot not in taken),
            table=self._table_fd,
            beats=self._beats_fd,
            life=self._life,
            ready=ready,
            sockets=self._plan.sockets,
            insecure_sockets=self._plan.insecure_sockets,
            metrics=self._plan.metrics_sockets[number - 1] if self._plan.metrics_sockets else None,
            host=self._plan.host,
            port=self._plan.port,
        )

    async def _pause_after_death(self, place: _Place, worker: WorkerProcess) -> bool:
        """Wait before the next start; False: there is no point in one."""
        self._forget(worker)
        if worker.status == ExitStatus.REFUSED and not self._has_served:
            self._end(ExitStatus.REFUSED)
            return False
        now = trio.current_time()
        pause = place.restarts.note(now)
        _log.error(
            "worker_died",
            worker=place.number,
            pid=worker.pid,
            how=worker.how_it_ended,
            up_seconds=round(now - worker.started_at, 3),
            restart_in_seconds=round(pause, 3),
        )
        serves_anybody = any(one.serves for one in self._processes)
        if place.restarts.are_too_many(now) and not serves_anybody:
            _log.error("gave_up", reason="workers keep failing and none is left that serves")
            self._end(ExitStatus.GAVE_UP)
            return False
        with trio.move_on_after(pause):
            await self._stop.wait()
        return True

    async def _watch(self) -> None:
        """Kill who hangs: its place is filled like that of anybody who died.

        Who starts or drains is not watched; that has bounds of its own.
        """
        beats, watch, hung = Table(self._beats_fd), Watch[WorkerProcess](), 0
        while True:
            await trio.sleep(self._plan.watchdog_seconds / LOOKS)
            serving = [worker for worker in self._processes if worker.serves]
            for worker in watch.look({one: beats.count(one.orders.slot) for one in serving}):
                hung += 1
                _log.error(
                    "worker_hangs",
                    worker=worker.orders.number,
                    pid=worker.pid,
                    silent_seconds=self._plan.watchdog_seconds,
                    hung_so_far=hung,
                )
                worker.kill()

    def _forget(self, worker: WorkerProcess) -> None:
        if worker not in self._processes:
            return  # And its slot may be somebody else's by now.
        self._processes.discard(worker)
        self._table.note(worker.orders.slot, ABSENT)

    async def _announce(self) -> None:
        for place in self._places:
            await place.filled.wait()
        self._say("ready")

    async def _listen_to_signals(self) -> None:
        with trio.open_signal_receiver(*_SIGNALS) as received:
            async for number in received:
                if number == signal.SIGHUP:
                    self._reload_asked.set()
                elif self._stop.is_set():
                    self._kill_all("second stop signal")
                else:
                    _log.info("stopping", signal=signal.Signals(number).name)
                    self._stop.set()

    async def _reload(self) -> None:
        while True:
            await self._reload_asked.wait()
            # Asked again meanwhile: once more through all of them.
            self._reload_asked = trio.Event()
            if self._stop.is_set():
                return
            self._say("reloading")
            _log.info("replacing_workers")
            for place in self._places:
                if not await self._replace(place):
                    if not self._stop.is_set():
                        _log.error("replacing_stopped", worker=place.number, reason="no successor")
                    break
            else:
                _log.info("workers_replaced")
            self._say("ready")

    async def _replace(self, place: _Place) -> bool:
        """Start a successor, and let the worker go once it serves; False: there is none."""
        async with place.changing:
            worker = place.worker
            if worker is None:
                return True  # It died just now, and is about to be started anew.
            successor = await self._start(place.number)
            if successor is None or not successor.serves:
                if successor is not None:
                    await successor.wait()  # It listened, and died at once.
                    self._forget(successor)
                return False
            place.worker = successor
        await worker.retire(self._plan.shutdown_seconds + KILL_MARGIN_SECONDS)
        if worker.status:
            _log.warning(
                "worker_cut_off", worker=place.number, pid=worker.pid, how=worker.how_it_ended
            )
        self._forget(worker)
        return True

    def _say(self, state: State) -> None:
        """Say what is, unless it is ending: after that nothing is ready or reloading any more."""
        if not self._stop.is_set():
            self._on_state(state)

    def _end(self, result: ExitStatus) -> None:
        self._result = self._result or result
        self._stop.set()

    async def _let_all_go(self) -> None:
        self._stop.set()
        self._on_state("stopping")
        async with self._spawning:  # From here on nobody is started.
            workers = tuple(self._processes)
        for worker in workers:
            worker.tell_to_stop()
        with trio.move_on_after(self._plan.shutdown_seconds + KILL_MARGIN_SECONDS):
            for worker in workers:
                await worker.wait()
        if any(worker.status is None for worker in workers):
            self._kill_all("SHUTDOWN_SECONDS are over")
        for worker in workers:
            await worker.wait()
        self._result = self._result or _sum_up(worker.status for worker in workers)

    def _kill_all(self, reason: str) -> None:
        running = [worker for worker in self._processes if worker.status is None]
        _log.warning("killing_workers", reason=reason, workers=len(running))
        for worker in running:
            worker.kill()


def _sum_up(statuses: Iterable[int | None]) -> ExitStatus:
    """Tell how workers ended that were told to stop: as the worst of them did."""
    # One that was told before it could listen to signals ends by the signal.
    faults = set(statuses) - {0, -signal.SIGTERM}
    if not faults:
        return ExitStatus.DRAINED
    only_actors = faults == {ExitStatus.ACTORS_CUT_OFF}
    return ExitStatus.ACTORS_CUT_OFF if only_actors else ExitStatus.CUT_SHORT
