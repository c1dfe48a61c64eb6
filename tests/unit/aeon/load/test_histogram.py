import pytest

from aeon.load.histogram import Histogram


def test_an_empty_histogram_has_no_latencies() -> None:
    histogram = Histogram()

    assert (histogram.count, histogram.mean, histogram.percentile(99)) == (0, 0.0, 0)
    assert list(histogram.steps()) == []


def test_small_values_are_exact() -> None:
    histogram = Histogram()
    for value in range(1, 101):
        histogram.record(value)

    assert [histogram.percentile(percent) for percent in (1, 50, 90, 99, 100)] == [
        1,
        50,
        90,
        99,
        100,
    ]
    assert histogram.mean == pytest.approx(50.5)


def test_one_slow_value_shows_at_the_end_only() -> None:
    histogram = Histogram()
    histogram.record(1_000, times=999)
    histogram.record(5_000_000)

    assert histogram.percentile(99) == pytest.approx(1_000, rel=1 / 256)
    assert histogram.percentile(99.9) == pytest.approx(1_000, rel=1 / 256)
    assert histogram.percentile(99.99) == pytest.approx(5_000_000, rel=1 / 256)
    assert histogram.largest == 5_000_000


def test_a_clock_that_seems_to_go_back_counts_as_zero() -> None:
    histogram = Histogram()
    histogram.record(-3)

    assert (histogram.smallest, histogram.largest, histogram.count) == (0, 0, 1)
