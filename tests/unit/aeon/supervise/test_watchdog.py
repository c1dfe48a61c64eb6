"""When a worker counts as hanging."""

import os
from collections.abc import Iterator, Mapping

import pytest
import trio
from trio.testing import MockClock

from aeon.net.turns import Table, create_table
from aeon.supervise.watchdog import BEAT_SECONDS, LOOKS, Pulse, Watch


@pytest.fixture
def table() -> Iterator[Table]:
    descriptor = create_table(2)
    yield Table(descriptor)
    os.close(descriptor)


def look_often(watch: Watch[str], beats: Mapping[str, int], times: int) -> list[list[str]]:
    return [watch.look(beats) for _ in range(times)]


def test_who_stands_still_hangs_after_the_looks_and_no_sooner() -> None:
    watch = Watch[str]()
    watch.look({"a": 7, "b": 0})
    for number in range(1, LOOKS):
        assert watch.look({"a": 7, "b": number}) == []
    assert watch.look({"a": 7, "b": LOOKS}) == ["a"]


def test_one_beat_in_time_is_enough() -> None:
    watch = Watch[str]()
    for beat in range(3):
        assert not any(look_often(watch, {"a": beat}, LOOKS))
    assert watch.look({"a": 2}) == ["a"]


def test_who_has_never_counted_hangs_too() -> None:
    watch = Watch[str]()
    assert look_often(watch, {"a": -1}, LOOKS + 1)[-1] == ["a"]


def test_all_at_once_get_as_long_again() -> None:
    watch = Watch[str]()
    both = {"a": 1, "b": 1}
    assert not any(look_often(watch, both, 2 * LOOKS))
    assert watch.look(both) == ["a", "b"]


def test_of_all_that_stood_still_those_who_go_on_are_spared() -> None:
    watch = Watch[str]()
    look_often(watch, {"a": 1, "b": 1}, LOOKS + 3)
    assert watch.look({"a": 1, "b": 2}) == ["a"]


def test_a_successor_starts_without_its_predecessors_looks() -> None:
    watch = Watch[str]()
    look_often(watch, {"a": 1}, LOOKS)
    assert watch.look({"successor": 1}) == []
    assert watch.look({"a": 1}) == []


async def test_a_turning_loop_counts(table: Table, autojump_clock: MockClock) -> None:
    with trio.move_on_after(10 * BEAT_SECONDS + BEAT_SECONDS / 2):
        await Pulse(table, 1).run()
    assert table.count(1) == 11
    assert table.count(0) == -1
