"""Actors: how many, how busy, how stuck, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import Metric

from actors.runtime import ActorSystem, DeadLetterReason, KindLoad
from aeon.metrics.families import counters, gauge, gauges

_COUNTS: Final = {
    "activated": "Actors started",
    "passivated": "Actors that went to sleep",
    "handled": "Messages handled to the end",
    "dropped": "Messages accepted and not handled to the end",
    "rejected": "Messages that met a full mailbox",
    "crashed": "Messages lost to crashes",
    "restarts": "Restarts after a crash",
    "gave_up": "Actors that crashed too often and were given up",
    "late_replies": "Answers nobody waited for any more",
}
_KIND: Final = ("kind",)


def actor_metrics(system: ActorSystem, loads: Sequence[KindLoad]) -> Iterator[Metric]:
    """Give what one walk over the actors found. Atomic."""
    snapshot = system.snapshot(limit=0)
    yield gauge("aeon_uptime_seconds", "Since the actors started", snapshot.uptime_seconds)
    yield gauge("aeon_actors_timers", "Timers of actors that are set", snapshot.timers)
    active = (((kind.kind,), kind.active) for kind in snapshot.kinds)
    yield gauges("aeon_actors_active", "Actors that are awake", _KIND, active)
    for name, text in _COUNTS.items():
        rows = (((kind.kind,), getattr(kind, name)) for kind in snapshot.kinds)
        yield counters(f"aeon_actors_{name}", text, _KIND, rows)
    yield from _load_metrics(loads)
    letters = {(kind.kind, reason): 0 for kind in snapshot.kinds for reason in DeadLetterReason}
    letters |= system.dead_letters.counts()
    yield counters(
        "aeon_dead_letters",
        "Messages that no actor handled",
        ("kind", "reason"),
        (((kind, reason.value), number) for (kind, reason), number in letters.items()),
    )
    services = snapshot.services
    yield counters(
        "aeon_service_starts",
        "Starts of the services of the static tree; more than one is a restart",
        ("service",),
        (((service.name,), service.starts) for service in services),
    )
    yield gauges(
        "aeon_service_up",
        "Whether a service of the static tree runs",
        ("service",),
        (((service.name,), service.state == "up") for service in services),
    )


def _load_metrics(loads: Sequence[KindLoad]) -> Iterator[Metric]:
    yield gauges(
        "aeon_actors_by_state",
        "Actors by what they are doing",
        ("kind", "state"),
        (((load.kind, state), n) for load in loads for state, n in load.states.items()),
    )
    for name, text in {
        "waiting": "Messages in all mailboxes",
        "deepest": "Messages in the fullest mailbox",
        "capacity": "Messages that a mailbox holds",
    }.items():
        rows = (((load.kind,), getattr(load, name)) for load in loads)
        yield gauges(f"aeon_mailbox_{name}", text, _KIND, rows)
    yield gauges(
        "aeon_mailbox_oldest_seconds",
        "How long the message has waited that has waited longest",
        _KIND,
        (((load.kind,), load.oldest_seconds) for load in loads),
    )
    yield gauges(
        "aeon_actors_longest_message_seconds",
        "How long the message is being handled that has been for longest",
        _KIND,
        (((load.kind,), load.longest_seconds) for load in loads),
    )
