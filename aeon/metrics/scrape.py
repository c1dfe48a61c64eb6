"""One scrape: every part is read once, then written down in a thread.

Reading takes a walk over the actors and is otherwise instant; writing a thousand lines takes
some ten milliseconds, which the event loop need not spend.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import trio
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from aeon.metrics.actors import actor_metrics
from aeon.metrics.edge import edge_metrics, life_metrics, loop_metrics
from aeon.metrics.families import gauges
from aeon.metrics.parts import disk_metrics, part_metrics
from aeon.services import Services
from aeon.usecases.node import check_database
from aeon.version import VERSION

DISK_SECONDS: Final = 1.0
"""A file system that hangs is left out of the scrape."""


async def scrape(services: Services) -> bytes:
    """Give every figure of this moment, in Prometheus' text form."""
    found = await read(services)
    return await trio.to_thread.run_sync(_write, found)


async def read(services: Services) -> list[Metric]:
    """Read every part once; waits for the database's sign of life, and for no actor."""
    is_database_up = await check_database(services) is None
    disk = await _disk(services.settings.upload_dir)
    loads = await services.system.loads()
    return [
        _build_info(),
        *life_metrics(is_draining=services.lifecycle.is_draining, is_database_up=is_database_up),
        *edge_metrics(services.counts),
        *actor_metrics(services.system, loads),
        *part_metrics(services),
        *disk_metrics(disk),
        *loop_metrics(services.loop_lag.statistics()),
    ]


async def _disk(directory: Path) -> tuple[int, int] | None:
    """Free and total bytes where a directory is, or is going to be; None if unknown."""
    with trio.move_on_after(DISK_SECONDS):
        return await trio.to_thread.run_sync(_disk_usage, directory, abandon_on_cancel=True)
    return None


def _disk_usage(directory: Path) -> tuple[int, int] | None:
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return None
    return usage.free, usage.total


def _build_info() -> Metric:
    labels = ("version", "python", "trio")
    versions = (VERSION, platform.python_version(), trio.__version__)
    return gauges("aeon_build_info", "Versions", labels, [(versions, 1)])


class _Found(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _write(found: Sequence[Metric]) -> bytes:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Found(found))
    return generate_latest(registry)
