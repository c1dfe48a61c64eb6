"""What operators see: plain reads of the cells, no message, no await, no message content.

Works while every actor is stuck, because nothing here asks an actor for anything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import trio

from actors.runtime.address import Address
from actors.runtime.cell import Cell
from actors.runtime.registry import Registry

Order = Literal["depth", "current", "handled", "busy", "idle", "restarts"]


@dataclass(frozen=True, slots=True)
class ActorStatus:
    """One running actor. Durations in seconds."""

    address: Address
    state: str
    age_seconds: float
    idle_seconds: float
    """Since it last went to sleep; 0 while it works."""
    depth: int
    peak_depth: int
    capacity: int
    oldest_message_seconds: float
    """How long the head of the mailbox has waited; 0 if it is empty."""
    current_message: str | None
    """The type of the message in the handler, with the size of its batch."""
    current_seconds: float
    accepted: int
    handled: int
    dropped: int
    crashed: int
    rejected: int
    in_hand: int
    busy_seconds: float
    slowest_seconds: float
    restarts: int
    generation: int
    last_error: str | None
    """The type of the last crash; its text may hold what users wrote."""
    handling_p50_seconds: float | None = None
    """Of its messages that the flight recorder still holds; only in surveys."""
    handling_p99_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class KindStatus:
    """One kind, those of its actors that are gone included."""

    kind: str
    active: int
    max_active: int | None
    activated: int
    passivated: int
    handled: int
    dropped: int
    crashed: int
    rejected: int
    restarts: int
    gave_up: int
    late_replies: int


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One child of the static tree."""

    name: str
    state: str
    starts: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class SystemSnapshot:
    """The whole system at one moment."""

    name: str
    uptime_seconds: float
    services: tuple[ServiceStatus, ...]
    kinds: tuple[KindStatus, ...]
    actors: tuple[ActorStatus, ...]
    """The most noteworthy of the asked-for kind, by the asked-for order."""
    dead_letters: dict[str, int]
    """By ``kind.reason``."""
    timers: int


def describe_kind(registry: Registry) -> KindStatus:
    """One row. Atomic."""
    kind, totals = registry.kind, registry.kind.totals
    return KindStatus(
        kind=kind.name,
        active=len(registry),
        max_active=kind.props.max_active,
        activated=totals.activated,
        passivated=totals.passivated,
        handled=totals.handled,
        dropped=totals.dropped,
        crashed=totals.crashed,
        rejected=totals.rejected,
        restarts=totals.restarts,
        gave_up=totals.gave_up,
        late_replies=totals.late_replies,
    )


def describe_cell(cell: Cell, now: float, durations: Collection[float] = ()) -> ActorStatus:
    """One row; ``now`` is the environment's clock, ``durations`` are of its handlings. Atomic."""
    current, oldest = cell.current, cell.mailbox.peek()
    name = type(current[0].message).__name__ if current else None
    if name is not None and len(current) > 1:
        name = f"{name} x{len(current)}"
    trio_now = trio.current_time()
    return ActorStatus(
        address=cell.address,
        state=cell.state.value,
        age_seconds=trio_now - cell.started_at,
        idle_seconds=trio_now - cell.last_active if cell.is_idle else 0.0,
        depth=cell.mailbox.depth,
        peak_depth=cell.mailbox.peak_depth,
        capacity=cell.mailbox.capacity,
        oldest_message_seconds=0.0 if oldest is None else now - oldest.sent_at,
        current_message=name,
        current_seconds=now - cell.current_since if current else 0.0,
        accepted=cell.accepted,
        handled=cell.handled,
        dropped=cell.dropped,
        crashed=cell.crashed,
        rejected=cell.rejected,
        in_hand=len(current),
        busy_seconds=cell.busy_seconds,
        slowest_seconds=cell.slowest_seconds,
        restarts=cell.restarts,
        generation=cell.generation,
        last_error=cell.last_error,
        handling_p50_seconds=percentile(durations, 0.5),
        handling_p99_seconds=percentile(durations, 0.99),
    )


def percentile(values: Collection[float], share: float) -> float | None:
    """The value below which ``share`` of them lie, by the nearest rank; None of none."""
    ordered = sorted(values)
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None


def most_noteworthy(
    cells: Sequence[Cell], order: Order, limit: int, now: float
) -> tuple[ActorStatus, ...]:
    """The first ``limit`` by ``order``, the largest first."""
    keys: dict[Order, Callable[[Cell], float]] = {
        "depth": lambda cell: cell.mailbox.depth,
        "current": lambda cell: now - cell.current_since if cell.current else 0.0,
        "handled": lambda cell: cell.handled,
        "busy": lambda cell: cell.busy_seconds,
        "idle": lambda cell: -cell.last_active,
        "restarts": lambda cell: cell.restarts,
    }
    chosen = heapq.nlargest(limit, cells, key=keys[order])
    return tuple(describe_cell(cell, now) for cell in chosen)
