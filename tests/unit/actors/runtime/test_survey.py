"""How operators look through many actors; each test names faults that break it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ActorSystem,
    KindBranch,
    Survey,
)
from actors.runtime import survey as survey_module
from tests.unit.actors.runtime.sticking import Sticking, sticking


async def crowd(system: ActorSystem, number: int) -> None:
    system.register("crowd", lambda context: Sticking(context, []))
    for key in range(number):
        system.ref("crowd", key).tell(key)
    await wait_all_tasks_blocked()


async def test_a_survey_filters_sorts_and_pages(autojump_clock: MockClock) -> None:
    """Faults: the total is that of the page; a page repeats or skips rows; a sort is reversed."""
    system = ActorSystem(shutdown_seconds=0, clock=trio.current_time)
    log = sticking(system)
    async with system:
        await crowd(system, 450)
        for _ in range(3):
            system.ref("crowd", 7).tell("again")
        system.ref("a", "Stuck").tell("stick")
        await trio.sleep(2)
        for number in range(5):
            system.ref("a", "Stuck").tell(number)
        await trio.sleep(1)

        async def keys(**asked: Any) -> tuple[int, list[Any]]:
            page = await system.survey(Survey(**asked))
            return page.total, [row.address.key for row in page.actors]

        for sort in ("busiest", "depth", "current", "oldest"):
            total, found = await keys(sort=sort, limit=1)
            assert (total, found) == (451, ["Stuck"]), sort
        assert (await keys(sort="handled", limit=1))[1] == [7]
        assert await keys(kind="crowd", sort="address", offset=440, limit=5) == (
            450,
            list(range(440, 445)),
        )
        every = [
            key
            for offset in range(0, 500, 130)
            for key in (await keys(sort="address", offset=offset, limit=130))[1]
        ]
        assert every == ["Stuck", *range(450)]
        assert await keys(state="busy") == (1, ["Stuck"])
        assert await keys(text="A:sTu") == (1, ["Stuck"])
        assert await keys(parent="a") == (1, ["Stuck"])
        assert await keys(text="nothing like it") == (0, [])
        assert await keys(kind="unheard of") == (0, [])
        assert await keys(offset=9999) == (451, [])
        row = (await system.survey(Survey(text="crowd:7", sort="handled"))).actors[0]
        assert row.handling_p50_seconds is not None
        assert row.handling_p99_seconds == pytest.approx(row.slowest_seconds)
        tree = await system.tree(busiest=2)
        kinds = [branch for branch in tree.branches if isinstance(branch, KindBranch)]
        assert [(one.place.name, one.status.active, len(one.busiest)) for one in kinds] == [
            ("a", 1, 1),
            ("crowd", 450, 2),
        ]
    assert log == ["start"]


async def test_a_newcomer_is_not_busiest_at_once(autojump_clock: MockClock) -> None:
    """Fault: whoever has just begun has worked all its life."""
    system = ActorSystem(shutdown_seconds=0, clock=trio.current_time)
    sticking(system)
    async with system:
        await system.ref("a", "old").ask(15.0, timeout_seconds=20)
        await trio.sleep(5)
        system.ref("a", "new").tell(15.0)
        await trio.sleep(1)
        page = await system.survey(Survey(sort="busiest"))
        assert [row.address.key for row in page.actors] == ["old", "new"]


async def test_a_survey_lets_others_run_between_slices(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Fault: all actors are read, or all rows written, without a checkpoint."""
    system = ActorSystem(clock=trio.current_time)
    seen: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def counted(name: str, function: Any) -> Any:
        def count(*arguments: Any) -> Any:
            seen[name] += 1
            most[name] = max(most[name], seen[name])
            return function(*arguments)

        return count

    monkeypatch.setattr(survey_module, "matches", counted("read", survey_module.matches))
    monkeypatch.setattr(survey_module, "describe_cell", counted("row", survey_module.describe_cell))

    async def reset_each_turn() -> None:
        while True:
            seen.clear()
            await trio.lowlevel.checkpoint()

    async with system, trio.open_nursery() as nursery:
        await crowd(system, 1_100)
        nursery.start_soon(reset_each_turn)
        page = await system.survey(Survey(sort="address", offset=50, limit=900))
        nursery.cancel_scope.cancel()
    assert len(page.actors) == 900
    # The other task's turn may come just before or just after ours.
    assert 0 < most["read"] <= 2 * survey_module.SLICE
    assert 0 < most["row"] <= 2 * survey_module.SLICE


async def test_an_actor_that_ends_during_a_survey_is_left_out(autojump_clock: MockClock) -> None:
    """Fault: a row of an actor that is gone."""
    system = ActorSystem(clock=trio.current_time)
    async with system, trio.open_nursery() as nursery:
        await crowd(system, 300)

        async def stop_all() -> None:
            for key in range(300):
                system.ref("crowd", key).stop()

        nursery.start_soon(stop_all)
        page = await system.survey(Survey(sort="address", limit=300))
        await wait_all_tasks_blocked()
    assert page.total == 300
    assert len(page.actors) < 300
    assert all(row.state != "stopped" for row in page.actors)
