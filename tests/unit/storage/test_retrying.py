"""How long the bus waits before it connects again."""

from __future__ import annotations

import pytest

from storage.retrying import Retrying


def pauses(retrying: Retrying, stood: list[float]) -> list[float]:
    return [retrying.pause(seconds) for seconds in stood]


def make() -> Retrying:
    return Retrying(first_seconds=0.1, last_seconds=2.0, well_seconds=5.0)


@pytest.mark.parametrize("stood", [0.0, 0.5, 4.9])
def test_what_never_stands_for_long_is_tried_more_and_more_slowly(stood: float) -> None:
    found = pauses(make(), [stood] * 8)
    for pause, expected in zip(found, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0], strict=True):
        assert 0.7 * expected <= pause <= 1.3 * expected


def test_after_one_that_was_well_it_begins_anew() -> None:
    retrying = make()
    pauses(retrying, [0.0] * 8)
    assert retrying.pause(5.0) <= 0.13
    assert retrying.pause(0.0) >= 0.14
