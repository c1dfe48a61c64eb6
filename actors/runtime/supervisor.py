"""The static tree: long-lived children in a fixed order, restarted by a strategy.

Children start in the order they were added and stop in the reverse order. When one fails, the
strategy says who shares its fate: nobody, those that were started after it (they may rely on
it), or all. Those are stopped in reverse order and started again in order, after a backoff. A
child that fails more often than the policy allows ends the supervisor: `run` raises.
"""

from __future__ import annotations

import random as randomness
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import trio

from actors.runtime import log
from actors.runtime.failures import is_transient
from actors.runtime.restart import RestartPolicy, RestartWindow


class Strategy(Enum):
    """Who is restarted with a failed child."""

    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"
    ONE_FOR_ALL = "one_for_all"


class Restart(Enum):
    """When a child is started again."""

    PERMANENT = "permanent"
    """Always; ending without being told to is a failure, too."""
    TRANSIENT = "transient"
    """After an error; it may end by itself."""
    TEMPORARY = "temporary"
    """Never, also when it was stopped for a sibling's sake."""


class Child(Protocol):
    """What a supervisor can start and stop."""

    @property
    def name(self) -> str:
        """Unique in its tree."""
        ...

    @property
    def restart(self) -> Restart:
        """When it is started again."""
        ...

    async def start(self, ended: Callable[[Exception | None], None]) -> None:
        """Return when it is up; call ``ended`` (atomic) if it ends before it is stopped."""
        ...

    async def stop(self, *, for_good: bool) -> None:
        """Return when it is down, whatever happens; bounded in time by the child.

        For good: finish what is accepted. Else the tree is being restarted: answer it.
        """
        ...


class EndedUnasked(Exception):
    """A permanent child returned though nobody stopped it."""


def affected(strategy: Strategy, count: int, failed: int) -> range:
    """Indices of the children that share the fate of child ``failed``. Pure."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return range(failed, failed + 1)
        case Strategy.REST_FOR_ONE:
            return range(failed, count)
        case Strategy.ONE_FOR_ALL:
            return range(count)


@dataclass(slots=True, eq=False)
class _Place:
    child: Child
    state: str = "new"
    starts: int = 0
    is_wanted: bool = True
    last_error: Exception | None = None

    @property
    def is_up(self) -> bool:
        return self.state == "up"


class Supervisor:
    """Starts, watches and stops children in order."""

    def __init__(
        self,
        strategy: Strategy = Strategy.REST_FOR_ONE,
        policy: RestartPolicy | None = None,
        *,
        transient: tuple[type[Exception], ...] = (),
        random: randomness.Random | None = None,
    ) -> None:
        self.strategy = strategy
        self._window = RestartWindow(policy or RestartPolicy())
        self._transient = transient
        self._random = random or randomness.Random()
        self._places: list[_Place] = []
        self._reports: deque[tuple[_Place, int, Exception | None]] = deque()
        self._reported = trio.Event()
        self._is_stopping = False
        self._running = trio.CancelScope()
        self._at_rest: trio.Event | None = None

    def places(self) -> tuple[tuple[str, str, int, Exception | None], ...]:
        """Name, state, number of starts and last error of each child, in start order."""
        return tuple((p.child.name, p.state, p.starts, p.last_error) for p in self._places)

    def add(self, child: Child) -> None:
        """Append a child. It starts with the others, or see `mark_up`."""
        if any(place.child.name == child.name for place in self._places):
            raise ValueError(f"child {child.name!r} is there already")
        self._places.append(_Place(child))

    async def start(self) -> None:
        """Start all in order. If one fails, those before it are stopped; the error is raised."""
        for place in self._places:
            try:
                await self._start(place)
            except BaseException:
                with trio.CancelScope(shield=True):  # bounded by the children's own budgets
                    await self.stop()
                raise

    def mark_up(self, name: str) -> None:
        """Note that a child added to a running tree was started by its owner. Atomic."""
        for place in self._places:
            if place.child.name == name:
                place.state, place.starts = "up", place.starts + 1

    async def run(self) -> None:
        """Restart what fails, until stopped; raises what a child failed with at last."""
        self._at_rest = trio.Event()
        try:
            with self._running:
                while True:
                    while self._reports:
                        place, start_number, error = self._reports.popleft()
                        if place.starts == start_number and place.is_up:
                            place.state = "down"
                            await self._decide(place, error)
                    self._reported = trio.Event()
                    await self._reported.wait()
        finally:
            self._at_rest.set()

    async def stop(self) -> None:
        """Stop all for good, in reverse order. A cancelled stop leaves the rest standing."""
        self._is_stopping = True
        self._running.cancel(reason="the tree is stopped")  # a restart may be under way
        if self._at_rest is not None:
            await self._at_rest.wait()
        for place in reversed(self._places):
            await self._stop(place, for_good=True)

    async def _decide(self, place: _Place, error: Exception | None) -> None:
        if error is None and place.child.restart is not Restart.PERMANENT:
            place.is_wanted = False
            return
        place.last_error = error or EndedUnasked(place.child.name)
        if place.child.restart is Restart.TEMPORARY:
            log.service_failed(place.child.name, place.last_error)
            place.is_wanted = False
            return
        failed: _Place | None = place
        while failed is not None:
            failed = await self._restart(failed)

    async def _restart(self, failed: _Place) -> _Place | None:
        """Restart what shares the fate of ``failed``. Returns a child that failed to start."""
        assert failed.last_error is not None
        log.service_failed(failed.child.name, failed.last_error)
        wait_seconds = self._window.failed(
            trio.current_time(),
            transient=is_transient(failed.last_error, self._transient),
            random=self._random.random(),
        )
        if wait_seconds is None:
            raise failed.last_error
        places = self._places
        for index in reversed(affected(self.strategy, len(places), places.index(failed))):
            await self._stop(places[index], for_good=False)
            if places[index].child.restart is Restart.TEMPORARY:
                places[index].is_wanted = False
        await trio.sleep(wait_seconds)
        for place in places:
            if place.is_wanted and not place.is_up:
                try:
                    await self._start(place)
                except Exception as error:  # noqa: BLE001 - it is the next failure to decide on
                    place.last_error = error
                    return place
        return None

    async def _start(self, place: _Place) -> None:
        place.starts += 1
        number = place.starts

        def ended(error: Exception | None) -> None:
            if not self._is_stopping:
                self._reports.append((place, number, error))
                self._reported.set()

        place.state = "starting"
        try:
            await place.child.start(ended)
        except BaseException:
            place.state = "down"
            raise
        place.state = "up"

    async def _stop(self, place: _Place, *, for_good: bool) -> None:
        if place.state in ("up", "stopping"):
            place.state = "stopping"
            await place.child.stop(for_good=for_good)
            place.state = "stopped"
