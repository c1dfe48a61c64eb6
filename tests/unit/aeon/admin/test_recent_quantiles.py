"""How long commits took lately, from counts that only grow."""

from __future__ import annotations

import pytest

from aeon.admin.rates import RecentQuantiles
from storage.distribution import Distribution

BOUNDS = (0.001, 0.01, 0.1)


class World:
    """A distribution, a clock by hand, and who reads it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.values = Distribution(BOUNDS)
        self.quantiles = RecentQuantiles(lambda: self.now)

    def read(self) -> tuple[float | None, float | None]:
        p50, p99 = self.quantiles.read(self.values.snapshot(), (0.5, 0.99))
        return p50, p99


def test_nothing_new_is_not_known() -> None:
    world = World()
    assert world.read() == (None, None)
    world.values.observe(0.005)
    world.now = 1.0
    assert world.read() != (None, None)
    world.now = 30.0
    world.read()
    world.now = 60.0
    assert world.read() == (None, None)


def test_old_values_fall_out_of_the_window() -> None:
    world = World()
    for _ in range(100):
        world.values.observe(0.05)
    _, slow = world.read()
    assert slow is not None
    assert 0.01 < slow <= 0.1
    for second in range(1, 30):
        world.now = float(second)
        world.values.observe(0.0005)
        _, p99 = world.read()
    assert p99 is not None
    assert p99 <= 0.001


def test_values_are_placed_between_their_bounds() -> None:
    world = World()
    for _ in range(10):
        world.values.observe(0.005)
    assert world.read()[0] == pytest.approx(0.0055)
    world.now = 1.0
    for _ in range(1_000):
        world.values.observe(7.0)
    assert world.read() == (0.1, 0.1), "beyond all bounds nothing more is known"


def test_a_restarted_part_counts_from_zero() -> None:
    world = World()
    for _ in range(10):
        world.values.observe(0.05)
    world.read()
    world.values = Distribution(BOUNDS)
    world.values.observe(0.005)
    world.now = 1.0
    p50, p99 = world.read()
    assert p50 is not None
    assert p99 is not None
    assert 0.001 < p50 <= p99 <= 0.01
