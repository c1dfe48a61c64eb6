"""Commands that are told to stop: cut short, cleaned up, and said so."""

import os
import signal

import pytest
import trio
import trio.testing

from aeon.interruption import Interrupted, run_until_interrupted


def test_what_the_work_gives_comes_back() -> None:
    async def work(number: int) -> int:
        await trio.lowlevel.checkpoint()
        return number + 1

    assert run_until_interrupted(work, 1) == 2


def test_what_fails_comes_as_it_is() -> None:
    async def work() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        run_until_interrupted(work)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_waits_for_the_cleaning_up(number: signal.Signals) -> None:
    done = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
                done.append("cleaned up")

    with pytest.raises(Interrupted):
        run_until_interrupted(work)
    assert done == ["cleaned up"]


def test_a_closed_terminal_that_hangs_up_twice_lets_it_clean_up() -> None:
    done = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                os.kill(os.getpid(), signal.SIGHUP)
                await trio.testing.wait_all_tasks_blocked()
                done.append("cleaned up")

    with pytest.raises(Interrupted):
        run_until_interrupted(work)
    assert done == ["cleaned up"]


def test_what_breaks_because_of_it_is_no_news() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await trio.sleep_forever()
        finally:
            raise ConnectionError("the other side was ended first")

    with pytest.raises(Interrupted):
        run_until_interrupted(work)


def test_handlers_are_afterwards_what_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    run_until_interrupted(trio.lowlevel.checkpoint)

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_at_the_very_end_of_the_work_is_not_lost() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))

    async def work(checkpoints: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(checkpoints):
            await trio.lowlevel.cancel_shielded_checkpoint()

    try:
        for round_ in range(100):
            try:
                # Trio decides by chance whether the work or the receiver is first.
                run_until_interrupted(work, round_ % 4)
            except Interrupted:
                told.append(signal.SIGINT)
            assert len(told) == round_ + 1
    finally:
        signal.signal(signal.SIGINT, before)
