"""What the node's parts count: database, writer, fan-out, presence, files, bus and the rest.

A part's own statistics are read field by field, so a figure that a part learns to give shows up
by itself. Fields that go up and down are named in ``_NOW``; all others only grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import Metric

from aeon.metrics.families import counter, counters, figures, gauge, gauges, histogram
from aeon.services import Services
from storage.writer_counts import WriterStatistics

_NOW: Final = {
    "database": frozenset({"size", "idle", "in_use", "waiting"}),
    "writer": frozenset({"queued_commands", "in_flight_commands", "lanes", "last_commit_seconds"}),
    "fanout": frozenset({"users", "sessions"}),
    "presence": frozenset({"waiting", "online", "online_here", "other_nodes", "is_current"}),
    "retention": frozenset[str](),
    "audit": frozenset({"waiting"}),
    "bus": frozenset({"is_connected", "is_refused", "waiting", "waiting_bytes"}),
    "audience": frozenset({"chats", "users", "arriving"}),
    "relay": frozenset({"waiting", "waiting_bytes"}),
    "sweep": frozenset[str](),
    "revocations": frozenset[str](),
    "net": frozenset({"connections", "websockets", "addresses", "pending_bytes", "pending_frames"}),
    "media": frozenset({"uploads_open", "thumbnails_waiting"}),
}


def part_metrics(services: Services) -> Iterator[Metric]:
    """Give every figure of the parts. Atomic."""
    listening = services.lifecycle.listening
    media = services.media.statistics()
    writer = services.writer.statistics()
    presence, revocations = services.presence, services.revocations
    cluster = None if services.cluster is None else services.cluster.statistics()
    for part, found in {
        "database": services.database.statistics(),
        "writer": writer,
        "fanout": services.fanout.statistics(),
        "presence": None if presence is None else presence.statistics(),
        "audience": None if cluster is None else cluster.audience,
        "relay": None if cluster is None else cluster.relay,
        "sweep": None if cluster is None else cluster.sweep,
        "revocations": None if revocations is None else revocations.statistics(),
        "retention": None if services.retention is None else services.retention.statistics(),
        "audit": services.audit.statistics(),
        "media": media,
        "bus": None if services.bus is None else services.bus.statistics(),
        "net": None if listening is None else listening.statistics(),
    }.items():
        if found is not None:
            yield from figures(f"aeon_{part}", found, _NOW[part])
    if writer is not None:
        yield from _writer_metrics(writer)
    yield counters(
        "aeon_media_files",
        "Files taken in, by what they were recognised as",
        ("type",),
        (((name,), number) for name, number in media.files.items()),
    )
    limiter = services.limiter.statistics()
    yield gauge("aeon_limiter_buckets", "Token buckets in memory", limiter["buckets"])
    yield counter("aeon_limiter_refused", "Requests and commands over the rate", limiter["refused"])


def _writer_metrics(found: WriterStatistics) -> Iterator[Metric]:
    yield histogram(
        "aeon_writer_commit_seconds",
        "From taking a batch to its answer, in transactions that got one",
        found.commit_seconds,
    )
    yield histogram(
        "aeon_writer_batch_commands", "Commands of one transaction", found.batch_commands
    )
    yield counters(
        "aeon_writer_outcomes",
        "Commands by what became of them; duplicates are answered, not written",
        ("outcome",),
        (((name,), number) for name, number in found.outcomes.items()),
    )
    yield counters(
        "aeon_events",
        "Events that this node committed",
        ("type",),
        (((name,), number) for name, number in found.events.items()),
    )


def disk_metrics(found: tuple[int, int] | None) -> Iterator[Metric]:
    """Give the room that is left for files, free and total; nothing when it is not known."""
    if found is not None:
        rows = zip((("free",), ("total",)), found, strict=True)
        yield gauges("aeon_media_disk_bytes", "Disk that UPLOAD_DIR is on", ("kind",), rows)
