"""What the edge counts: HTTP, WebSockets, commands, resumes, log-ins, and the loop's lag."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from aeon.counts import Counts
from aeon.loop_lag import LoopLagStatistics
from aeon.metrics.families import counter, counters, gauge, gauges, histogram, histograms


def edge_metrics(counts: Counts) -> Iterator[Metric]:
    """Give all counts. Atomic."""
    yield counters(
        "aeon_http_requests",
        "Answers; route is the pattern, none where there is no such path",
        ("method", "route", "status"),
        (((method, route, str(s)), n) for (method, route, s), n in counts.requests.items()),
    )
    yield histograms(
        "aeon_http_seconds",
        "From a request's head to its answer's",
        "route",
        {route: found.snapshot() for route, found in counts.request_seconds.items()},
    )
    yield from _socket_metrics(counts)
    yield counters(
        "aeon_logins",
        "Requests and handshakes by how they showed who they are, and whether that was believed",
        ("method", "outcome"),
        counts.logins.items(),
    )


def _socket_metrics(counts: Counts) -> Iterator[Metric]:
    yield gauges(
        "aeon_websocket_connections",
        "Open WebSockets of known people, by how they are written to",
        ("path",),
        (((path,), number) for path, number in counts.sockets.items()),
    )
    yield counters(
        "aeon_websocket_opened",
        "WebSockets whose person became known",
        ("path",),
        (((path,), number) for path, number in counts.sockets_opened.items()),
    )
    yield counters(
        "aeon_websocket_closed",
        "Ends of WebSockets; too_slow is a reader that did not keep up",
        ("code", "reason"),
        counts.sockets_closed.items(),
    )
    yield counters(
        "aeon_websocket_commands",
        "Commands carried out or refused",
        ("type", "outcome"),
        counts.commands.items(),
    )
    yield histograms(
        "aeon_websocket_command_seconds",
        "From a command's frame to its answer",
        "type",
        {name: found.snapshot() for name, found in counts.command_seconds.items()},
    )
    yield counters(
        "aeon_resumed_chats",
        "Chats of resumes, by what became of them",
        ("outcome",),
        (((outcome,), number) for outcome, number in counts.resumes.items()),
    )
    yield counter(
        "aeon_resumed_events", "Events replayed to connections that resumed", counts.replayed_events
    )


def loop_metrics(found: LoopLagStatistics) -> Iterator[Metric]:
    """Give how late the event loop is."""
    yield histogram(
        "aeon_event_loop_lag_seconds",
        "How much later than asked for a sleeping task woke up",
        found.distribution,
    )
    yield gauges(
        "aeon_event_loop_recent_lag_seconds",
        "The same over the last minute",
        ("quantile",),
        (
            (("0.5",), found.lag_p50_seconds),
            (("0.99",), found.lag_p99_seconds),
            (("1",), found.lag_max_seconds),
        ),
    )


def life_metrics(*, is_draining: bool, is_database_up: bool) -> Iterator[Metric]:
    """Give where the node is in its life, and whether its database answers."""
    yield gauge("aeon_draining", "The node was told to stop, and lets everybody go", is_draining)
    yield gauge("aeon_database_up", "The database answered a query of this scrape", is_database_up)
