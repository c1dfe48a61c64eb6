"""Token buckets."""

import pytest

from aeon.limits import RATES, Kind, Limiter, Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Clock, **options: int) -> Limiter:
    rates = {kind: Rate(burst=3, per_second=2.0) for kind in Kind}
    return Limiter(rates, clock=clock, **options)


def test_a_burst_then_the_rate(clock: Clock) -> None:
    buckets = limiter(clock)
    assert [buckets.take(Kind.SEND, 7) for _ in range(3)] == [0.0] * 3
    assert buckets.take(Kind.SEND, 7) == pytest.approx(0.5)
    clock.now = 0.25
    assert buckets.take(Kind.SEND, 7) == pytest.approx(0.25)
    clock.now = 0.5
    assert buckets.take(Kind.SEND, 7) == 0.0
    assert buckets.take(Kind.SEND, 7) > 0.0


def test_a_refusal_costs_nothing(clock: Clock) -> None:
    buckets = limiter(clock)
    for _ in range(100):
        buckets.take(Kind.SEND, 7)
    clock.now = 0.5
    assert buckets.take(Kind.SEND, 7) == 0.0


def test_people_and_kinds_are_apart(clock: Clock) -> None:
    buckets = limiter(clock)
    for _ in range(4):
        buckets.take(Kind.SEND, 7)
    assert buckets.take(Kind.SEND, 8) == 0.0
    assert buckets.take(Kind.READ, 7) == 0.0
    assert buckets.statistics() == {"buckets": 3, "refused": 1}


def test_a_bucket_never_holds_more_than_its_burst(clock: Clock) -> None:
    buckets = limiter(clock)
    buckets.take(Kind.SEND, 7)
    clock.now = 1_000.0
    assert [buckets.take(Kind.SEND, 7) > 0.0 for _ in range(4)] == [False, False, False, True]


def test_memory_is_bounded(clock: Clock) -> None:
    buckets = limiter(clock, max_buckets=10)
    for user_id in range(1_000):
        buckets.take(Kind.READ, user_id)
    assert buckets.statistics()["buckets"] == 10


def test_the_mini_apps_polling_stays_far_below() -> None:
    windows = 20
    assert RATES[Kind.READ].per_second > windows * 14.5 / 60
