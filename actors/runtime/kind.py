"""What the actors of one kind share, and what all kinds of a system share."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from actors.runtime.actor import ActorFactory
from actors.runtime.address import Address, Key
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.lane import Watch
from actors.runtime.props import Props
from actors.runtime.recorder import FlightRecorder
from actors.runtime.ref import ActorRef
from actors.runtime.timers import TimerService
from actors.runtime.waits import Waits


class Spawn(Protocol):
    """Starts a task beside all actors, in a context of its own."""

    def __call__(
        self, function: Callable[..., Awaitable[object]], *args: object, name: str
    ) -> None:
        """Start it. Atomic."""
        ...


class Watchable(Protocol):
    """A running actor, as its watchers need it."""

    def add_watch(self, watch: Watch) -> None:
        """Tell ``watch`` of the end."""
        ...

    def drop_watch(self, watch: Watch) -> None:
        """Don't."""
        ...


@dataclass(slots=True)
class Environment:
    """What all actors of a system share."""

    spawn: Spawn
    ref: Callable[[str, Key], ActorRef[object]]
    find: Callable[[Address], Watchable | None]
    """The running actor of an address."""
    escalate: Callable[[Address, Exception], None]
    dead_letters: DeadLetters
    timers: TimerService
    waits: Waits
    clock: Callable[[], float]
    """For ages and durations; cheaper than Trio's clock, which deadlines use."""
    random: random.Random


@dataclass(slots=True)
class Totals:
    """What the actors of a kind did, those gone included."""

    activated: int = 0
    passivated: int = 0
    handled: int = 0
    dropped: int = 0
    """Accepted, but never handled to the end; see the dead letters."""
    crashed: int = 0
    """Those of them that were lost to crashes."""
    rejected: int = 0
    """Not accepted: the mailbox was full."""
    restarts: int = 0
    gave_up: int = 0
    late_replies: int = 0
    """Answers nobody waited for any more."""


class Kind:
    """A registered kind: how its actors are made and run, and what they did so far."""

    def __init__(
        self, name: str, factory: ActorFactory[Any], props: Props, environment: Environment
    ) -> None:
        self.name = name
        # Any: kinds of all message types live in one registry; the factory and the refs that
        # the application types itself meet in the application's code.
        self.factory = factory
        self.props = props
        self.environment = environment
        self.starts = trio.CapacityLimiter(props.max_concurrent_starts)
        self.recorder = FlightRecorder(props.flight_records, environment.clock)
        self.totals = Totals()
