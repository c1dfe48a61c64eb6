"""Processes that share a listening socket let emptier ones go first, for a moment."""

import os
from collections.abc import Iterator

import pytest
import trio

from aeon.net.turns import IMPATIENT_QUOTA, PATIENCE_SECONDS, Table, Turns, create_table


@pytest.fixture
def table() -> Iterator[Table]:
    descriptor = create_table(4)
    yield Table(descriptor)
    os.close(descriptor)


def test_alone_it_never_waits(table: Table) -> None:
    turns = Turns(table, 1)
    turns.note(1000)
    assert turns.quota() > 0


def test_a_fuller_one_lets_others_go_first(table: Table) -> None:
    mine, other = Turns(table, 0), Turns(table, 1)
    mine.note(10)
    other.note(3)
    assert mine.quota() == 0
    assert other.quota() > 0


def test_a_process_that_left_holds_nobody_up(table: Table) -> None:
    mine, other = Turns(table, 0), Turns(table, 1)
    mine.note(10)
    other.note(0)
    other.leave()
    assert mine.quota() > 0


async def test_a_stuck_neighbour_costs_a_moment(
    table: Table, autojump_clock: trio.testing.MockClock
) -> None:
    mine, stuck = Turns(table, 0), Turns(table, 1)
    mine.note(10)
    stuck.note(0)
    started = trio.current_time()
    assert await mine.wait() == IMPATIENT_QUOTA
    assert trio.current_time() - started == pytest.approx(PATIENCE_SECONDS)


def test_taking_turns_spreads_evenly(table: Table) -> None:
    """However often the same process is woken first, nobody gets clearly more than another."""
    turns = [Turns(table, slot) for slot in range(3)]
    for one in turns:
        one.note(0)
    for _ in range(300):
        slot = next(slot for slot in range(3) if turns[slot].quota())
        turns[slot].note(table.count(slot) + 1)
    counts = [table.count(slot) for slot in range(3)]
    assert max(counts) - min(counts) <= 2 + max(counts) // 16
