"""Evaluates the PromQL that alerts are written in, on two scrapes. Only what those rules use.

Parsing is Prometheus' own grammar (``promql_parser``); what is not understood here is an error,
so a rule that passes was really evaluated.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import promql_parser

from tests.helpers.scraping import Scrape

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
TARGET = {"instance": "node", "job": "aeon"}
"""What Prometheus adds to every sample."""
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "/": lambda left, right: left / right if right else nan,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "==": operator.eq,
}


def parse(text: str) -> Any:
    """Parse an expression; Grafana's own variables are filled in."""
    return promql_parser.parse(text.replace("$__rate_interval", "5m"))


def selectors(node: Any) -> Iterator[Any]:
    """Find every metric an expression selects."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for child in _children(node):
        yield from selectors(child)


def labels_named(node: Any) -> Iterator[str]:
    """Find every label an expression groups or matches by."""
    modifier = getattr(node, "modifier", None)
    yield from getattr(modifier, "labels", None) or ()
    yield from getattr(getattr(modifier, "matching", None), "labels", None) or ()
    for child in _children(node):
        yield from labels_named(child)


def _children(node: Any) -> list[Any]:
    names = ("lhs", "rhs", "expr", "vector_selector")
    found = [getattr(node, name) for name in names if getattr(node, name, None) is not None]
    return [*found, *getattr(node, "args", ())]


@dataclass(frozen=True, slots=True)
class Moment:
    """Two scrapes, and the time between them."""

    before: Scrape
    now: Scrape
    seconds: float

    def fires(self, text: str) -> list[dict[str, str]]:
        """Give the labels of everything an alert's expression is true for."""
        found = self._vector(parse(text))
        return [dict(labels) for labels, value in found.items() if value == value]

    def _evaluate(self, node: Any) -> Vector | float:
        match type(node).__name__:
            case "NumberLiteral":
                return float(node.val)
            case "ParenExpr":
                return self._evaluate(node.expr)
            case "VectorSelector":
                return dict(_select(node, self.now))
            case "Call":
                return self._call(node)
            case "AggregateExpr":
                return self._aggregate(node)
            case "BinaryExpr":
                return self._binary(node)
        raise NotImplementedError(type(node).__name__)

    def _vector(self, node: Any) -> Vector:
        found = self._evaluate(node)
        assert isinstance(found, dict)
        return found

    def _call(self, node: Any) -> Vector:
        name = node.func.name
        if name == "histogram_quantile":
            return _quantile(float(node.args[0].val), self._vector(node.args[1]))
        selector = node.args[0].vector_selector
        first, last = dict(_select(selector, self.before)), dict(_select(selector, self.now))
        # As in Prometheus: a series that was not there before has not risen.
        risen = {labels: last[labels] - first[labels] for labels in last.keys() & first.keys()}
        if name == "increase":
            return risen
        assert name == "rate", name
        return {labels: value / self.seconds for labels, value in risen.items()}

    def _aggregate(self, node: Any) -> Vector:
        by = set(node.modifier.labels) if node.modifier else set()
        groups: dict[Labels, list[float]] = {}
        for labels, value in self._vector(node.expr).items():
            groups.setdefault(_keep(labels, by), []).append(value)
        merge: Callable[[Iterable[float]], float] = {"sum": sum, "max": max, "min": min}[
            str(node.op)
        ]
        return {labels: merge(values) for labels, values in groups.items()}

    def _binary(self, node: Any) -> Vector:
        op, left, right = str(node.op), self._vector(node.lhs), self._evaluate(node.rhs)
        matching = getattr(node.modifier, "matching", None)
        ignored = set(matching.labels) if matching else set()
        other = right if isinstance(right, dict) else {}
        keyed = {_drop(labels, ignored): value for labels, value in other.items()}
        found: Vector = {}
        for labels, value in left.items():
            against = keyed.get(_drop(labels, ignored)) if isinstance(right, dict) else right
            if against is None:
                continue
            if op == "and":
                found[labels] = value
            elif op in _COMPARISONS:
                if _COMPARISONS[op](value, against):
                    found[labels] = value
            else:
                found[_drop(labels, ignored)] = _ARITHMETIC[op](value, against)
        return found


def _select(selector: Any, scrape: Scrape) -> Iterator[tuple[Labels, float]]:
    if selector.name == "up":
        yield frozenset(TARGET.items()), 1.0
        return
    for sample in scrape.samples:
        labels = {**sample.labels, **TARGET}
        if sample.name == selector.name and all(
            _matches(matcher, labels.get(matcher.name, ""))
            for matcher in selector.matchers.matchers
        ):
            yield frozenset(labels.items()), sample.value


def _matches(matcher: Any, value: str) -> bool:
    match str(matcher.op):
        case "MatchOp.Equal":
            return bool(value == matcher.value)
        case "MatchOp.NotEqual":
            return bool(value != matcher.value)
        case "MatchOp.Re":
            return re.fullmatch(matcher.value, value) is not None
    raise NotImplementedError(str(matcher.op))


def _quantile(share: float, buckets: Vector) -> Vector:
    """The upper bound of the bucket the quantile lies in: never below the true value."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in buckets.items():
        bound = dict(labels)["le"]
        at = inf if bound == "+Inf" else float(bound)
        groups.setdefault(_drop(labels, {"le"}), []).append((at, value))
    found: Vector = {}
    for labels, rows in groups.items():
        rows.sort()
        total = rows[-1][1]
        if total:
            found[labels] = next(at for at, value in rows if value >= share * total)
    return found


def _keep(labels: Labels, names: set[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in names)


def _drop(labels: Labels, names: set[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] not in names)
