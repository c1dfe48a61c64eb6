"""The collector of a running node leaves alone what the start made."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from aeon import garbage


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_the_start_made_is_set_aside() -> None:
    made = [[number] for number in range(50)]
    garbage.settle()
    assert gc.get_freeze_count() > len(made)
    tracked = {id(one) for one in gc.get_objects()}
    assert not any(id(one) in tracked for one in made)


def test_garbage_made_later_is_still_found() -> None:
    garbage.settle()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
