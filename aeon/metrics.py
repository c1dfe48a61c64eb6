"""``/metrics``: what operators measure, in Prometheus' text form.

Parts that count for themselves are read when somebody asks; only HTTP is counted here. Labels
are routes, methods, statuses, kinds and reasons, never a person, a chat or an address.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from dataclasses import fields
from ipaddress import ip_address
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from quart import Response, g, request
from quart_trio import QuartTrio

from aeon.api.dispatch import failure
from aeon.errors import AuthError, EdgeError
from aeon.services import Services

PATH: Final = "/metrics"
HTTP_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_NOW: Final = frozenset(
    {"size", "idle", "in_use", "waiting", "queued_commands", "in_flight_commands", "lanes"}
    | {"last_commit_seconds", "users", "sessions", "active"}
)
"""Figures that go up and down; all others only grow."""
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class NodeCollector(Collector):
    """Reads the statistics of a node's parts at each scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing: a registry need not read the node to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every figure of this moment. Atomic: asks no actor."""
        services = self._services
        for part, found in (
            ("database", services.database.statistics()),
            ("writer", services.writer.statistics()),
            ("fanout", services.fanout.statistics()),
        ):
            if found is not None:
                for one in fields(found):
                    value = getattr(found, one.name)
                    if isinstance(value, int | float):
                        yield _figure(f"aeon_{part}_{one.name}", value)
        yield _gauge("aeon_draining", services.lifecycle.is_draining)
        limiter = services.limiter.statistics()
        yield _gauge("aeon_limiter_buckets", limiter["buckets"])
        yield _figure("aeon_limiter_refused", limiter["refused"])
        yield from self._actors()

    def _actors(self) -> Iterator[Metric]:
        system = self._services.system
        snapshot = system.snapshot(order="current", limit=1)
        for name in ("active", "activated", "passivated", "handled", "dropped", "crashed"):
            yield self._by_kind(name)
        yield self._by_kind("restarts")
        longest = max((one.current_seconds for one in snapshot.actors), default=0.0)
        yield _gauge("aeon_actors_longest_message_seconds", longest)
        deepest = system.snapshot(order="depth", limit=1).actors
        yield _gauge("aeon_actors_deepest_mailbox", max((one.depth for one in deepest), default=0))
        letters = CounterMetricFamily(
            "aeon_dead_letters", "Messages that no actor handled", labels=["kind", "reason"]
        )
        for (kind, reason), number in system.dead_letters.counts().items():
            letters.add_metric([kind, reason.value], number)
        yield letters

    def _by_kind(self, name: str) -> Metric:
        family = GaugeMetricFamily if name in _NOW else CounterMetricFamily
        metric = family(f"aeon_actors_{name}", f"Actors: {name}", labels=["kind"])
        for kind in self._services.system.snapshot(limit=0).kinds:
            metric.add_metric([kind.kind], getattr(kind, name))
        return metric


def register(app: QuartTrio, services: Services) -> None:
    """Count requests, and serve ``/metrics``. Call it before other hooks are added."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(NodeCollector(services))
    requests = Counter(
        "aeon_http_requests", "Answers", ["method", "route", "status"], registry=registry
    )
    seconds = Histogram(
        "aeon_http_seconds", "Duration", ["route"], buckets=HTTP_SECONDS, registry=registry
    )

    @app.before_request
    async def begin_timing() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    async def count(response: Response) -> Response:
        rule = request.url_rule
        route = "none" if rule is None else rule.rule
        method = request.method if rule is not None else "any"
        requests.labels(method, route, str(response.status_code)).inc()
        if "started_at" in g:
            seconds.labels(route).observe(time.perf_counter() - g.started_at)
        return response

    @app.get(PATH)
    async def metrics() -> Response:
        try:
            _check_scraper(services)
        except EdgeError as error:
            return failure(error, PATH)
        response = Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        response.headers["Cache-Control"] = "no-store"
        return response


def _check_scraper(services: Services) -> None:
    token = services.settings.metrics_token
    if token is not None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()):
            raise AuthError("token_invalid")
        return
    # A proxy on this machine speaks for others, so what it forwards is not from here.
    if any(name in request.headers for name in _FORWARDED) or not _is_loopback():
        raise EdgeError("not_found")


def _is_loopback() -> bool:
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _figure(name: str, value: float) -> Metric:
    if any(name.endswith(f"_{one}") for one in _NOW):
        return _gauge(name, value)
    return CounterMetricFamily(name, name.replace("_", " "), value=value)


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, name.replace("_", " "), value=float(value))
