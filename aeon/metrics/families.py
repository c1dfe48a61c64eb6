"""Families of metrics from plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from storage.distribution import DistributionSnapshot

Rows = Iterable[tuple[tuple[str, ...], float]]
"""Values of labels, and the figure."""


def gauge(name: str, text: str, value: float) -> Metric:
    """What goes up and down."""
    return GaugeMetricFamily(name, text, value=float(value))


def gauges(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """The same, by labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """What only grows, until the node starts again; ``name`` without ``_total``."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """The same, by labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def histogram(name: str, text: str, found: DistributionSnapshot) -> Metric:
    """A distribution."""
    family = HistogramMetricFamily(name, text)
    family.add_metric([], _buckets(found), found.total)
    return family


def histograms(
    name: str, text: str, label: str, rows: Mapping[str, DistributionSnapshot]
) -> Metric:
    """The same, by one label."""
    family = HistogramMetricFamily(name, text, labels=[label])
    for value, found in rows.items():
        family.add_metric([value], _buckets(found), found.total)
    return family


def figures(prefix: str, found: object, now: frozenset[str]) -> Iterable[Metric]:
    """Every number of a part's statistics under its own name.

    Args:
        prefix: stands before the field's name.
        found: a dataclass of counts and of figures of this moment.
        now: which fields are of this moment; the others only grow.
    """
    for one in fields(found):  # type: ignore[arg-type]  # any part's statistics
        value = getattr(found, one.name)
        if isinstance(value, int | float):
            text = f"{prefix.removeprefix('aeon_')}: {one.name}".replace("_", " ")
            make = gauge if one.name in now else counter
            yield make(f"{prefix}_{one.name}", text, value)


def _buckets(found: DistributionSnapshot) -> list[tuple[str, float]]:
    reached = 0
    buckets: list[tuple[str, float]] = []
    for bound, number in zip((*found.bounds, float("inf")), found.counts, strict=True):
        reached += number
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), reached))
    return buckets
