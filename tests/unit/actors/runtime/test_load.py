"""How loaded the actors are, as metrics read it: one walk, also while actors are stuck."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from actors.runtime import Actor, ActorSystem, MailboxFull, Props, load


class Stuck(Actor[str]):
    async def receive(self, message: str) -> object:
        if message == "stick":
            await trio.sleep_forever()
        return None


async def test_tells_what_waits_and_what_is_stuck(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults: a stuck actor counted as idle; a slice left out; ages of the wrong message; the
    depth of the last one; no pause."""
    monkeypatch.setattr(load, "SLICE_CELLS", 2)
    system = ActorSystem(shutdown_seconds=0, clock=trio.current_time)
    system.register("stuck", Stuck, Props(capacity=3))
    system.register("other", Stuck)
    async with system:
        for key in range(4):
            await system.ref("stuck", key).ask("hello")
        first, last = system.ref("stuck", 0), system.ref("stuck", 3)
        last.tell("stick")
        await trio.sleep(2)
        first.tell("stick")
        await wait_all_tasks_blocked()
        last.tell("waits")
        await trio.sleep(5)
        for _ in range(3):
            first.tell("waits too")
        with pytest.raises(MailboxFull):
            await first.ask("does not fit")

        with assert_checkpoints():
            stuck, other = await system.loads()

    assert (stuck.kind, stuck.waiting, stuck.deepest, stuck.capacity) == ("stuck", 4, 3, 3)
    assert stuck.longest_seconds == pytest.approx(7)
    assert stuck.oldest_seconds == pytest.approx(5)
    assert (stuck.states["busy"], stuck.states["idle"], stuck.states["backoff"]) == (2, 2, 0)
    assert (other.waiting, other.longest_seconds, sum(other.states.values())) == (0, 0.0, 0)
