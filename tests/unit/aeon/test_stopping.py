"""Being told to stop: once, twice, and for too long."""

import os
import signal

import trio
import trio.testing

from aeon.stopping import start_until, stopping


async def test_the_first_signal_asks_and_the_block_goes_on() -> None:
    stop = trio.Event()
    async with stopping(stop, within_seconds=3000.0) as ending:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert 2900.0 < ending.seconds_left() <= 3000.0
    assert not ending.was_cut_short


async def test_the_second_signal_cuts_short() -> None:
    stop = trio.Event()
    async with stopping(stop, within_seconds=30.0) as ending:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()
    assert ending.was_cut_short
    assert ending.seconds_left() == 0.0


async def test_a_hangup_is_no_second_signal() -> None:
    stop = trio.Event()
    signals = (signal.SIGTERM, signal.SIGHUP)
    async with stopping(stop, within_seconds=30.0, signals=signals) as ending:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked()
    assert not ending.was_cut_short


async def test_the_budget_cuts_short(autojump_clock: trio.testing.MockClock) -> None:
    stop = trio.Event()
    async with stopping(stop, within_seconds=25.0) as ending:
        await trio.sleep(1000.0)
        stop.set()
        told = trio.current_time()
        await trio.sleep_forever()
    assert ending.was_cut_short
    assert trio.current_time() - told == 25.0


async def test_without_a_budget_the_first_signal_ends_the_block() -> None:
    async with stopping(trio.Event(), within_seconds=0.0):
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()


async def test_who_is_told_to_stop_while_starting_does_not_start() -> None:
    stop = trio.Event()
    ended = []

    async def run(task_status: trio.TaskStatus[str]) -> None:
        try:
            stop.set()
            await trio.sleep_forever()
        finally:
            ended.append("cleaned up")

    async with trio.open_nursery() as nursery:
        assert await start_until(stop, nursery, run) is None
        assert ended == ["cleaned up"]


async def test_who_has_started_goes_on_when_told_to_stop() -> None:
    stop = trio.Event()
    ended = []

    async def run(task_status: trio.TaskStatus[str]) -> None:
        task_status.started("listening")
        await stop.wait()
        await trio.testing.wait_all_tasks_blocked()
        ended.append("drained")

    async with trio.open_nursery() as nursery:
        assert await start_until(stop, nursery, run) == "listening"
        stop.set()
    assert ended == ["drained"]
