"""The bound on tests that hang: it ends them, cleans up and says who waited."""

import pytest
import trio
import trio.testing

from tests.helpers.hangs import run_bounded


def test_a_test_that_hangs_is_cleaned_up_and_its_tasks_are_named() -> None:
    ended = []

    async def wait_for_nobody() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cleaned up")

    async def hang() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_nobody)

    with pytest.raises(pytest.fail.Exception, match="wait_for_nobody"):
        run_bounded(hang, limit_seconds=0.05)
    assert ended == ["cleaned up"]


def test_what_a_hanging_test_raises_at_its_end_hides_nothing() -> None:
    async def hang() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("cancelled, and confused")

    with pytest.raises(pytest.fail.Exception, match="It hung") as found:
        run_bounded(hang, limit_seconds=0.05)
    assert isinstance(found.value.__context__, KeyError)


def test_a_clock_that_jumps_brings_no_end_nearer() -> None:
    async def sleep_long() -> str:
        await trio.sleep(20 * 3600)
        return "awake"

    assert run_bounded(sleep_long, clock=trio.testing.MockClock(autojump_threshold=0)) == "awake"


async def test_every_test_of_trio_is_bounded(request: pytest.FixtureRequest) -> None:
    await trio.lowlevel.checkpoint()

    marker = request.node.get_closest_marker("trio")
    assert marker.kwargs["run"] is run_bounded
