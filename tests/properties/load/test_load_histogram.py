"""The histogram's error is bounded, and adding up processes loses nothing."""

import math

import orjson
from hypothesis import given
from hypothesis import strategies as st

from aeon.load.histogram import MAX_RELATIVE_ERROR, Histogram, bucket_of, middle_of

VALUES = st.integers(0, 10**12)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(VALUES)
def test_a_bucket_stands_for_its_values(value: int) -> None:
    assert abs(middle_of(bucket_of(value)) - value) <= value * MAX_RELATIVE_ERROR


@given(VALUES, VALUES)
def test_buckets_keep_the_order(one: int, other: int) -> None:
    low, high = sorted((one, other))

    assert bucket_of(low) <= bucket_of(high)


@given(st.lists(VALUES, min_size=1, max_size=200), st.floats(0, 100))
def test_a_percentile_is_that_of_the_values(values: list[int], percent: float) -> None:
    true = sorted(values)[max(0, math.ceil(percent * len(values) / 100) - 1)]

    assert abs(filled(values).percentile(percent) - true) <= true * MAX_RELATIVE_ERROR


@given(st.lists(VALUES, max_size=50), st.lists(VALUES, max_size=50))
def test_merged_histograms_are_the_histogram_of_all(one: list[int], other: list[int]) -> None:
    merged = filled(one)
    merged.merge(filled(other))

    assert merged.to_json() == filled(one + other).to_json()
    assert merged.count == len(one) + len(other)


@given(st.lists(VALUES, max_size=50))
def test_a_histogram_survives_the_pipe(values: list[int]) -> None:
    histogram = filled(values)

    read = Histogram.from_json(orjson.loads(orjson.dumps(histogram.to_json())))

    assert read.to_json() == histogram.to_json()
    assert read.percentile(99) == histogram.percentile(99)


@given(st.lists(VALUES, min_size=1, max_size=50))
def test_the_percentile_curve_rises_to_everything(values: list[int]) -> None:
    steps = list(filled(values).steps())

    assert steps == sorted(steps)
    assert steps[-1][1] == 100
