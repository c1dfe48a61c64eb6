"""The faults of ``aeon load check`` in which Redis answers and says no."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aeon.load.cluster.faults import Faults
from aeon.load.cluster.kinds import KINDS
from aeon.load.cluster.redis_process import RedisProcess, find_redis
from aeon.load.cluster.world import World

ASKED = ("SET a 1", "PUBLISH c x")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redis-full", (False, True)),
        ("redis-read-only", (False, True)),
        ("redis-mute", (True, False)),
    ],
)
async def test_it_refuses_for_a_while_and_is_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: tuple[bool, bool]
) -> None:
    redis = RedisProcess(find_redis(""), tmp_path)
    await redis.start()
    try:
        world = cast("World", SimpleNamespace(redis=redis))
        faults = Faults(world, seed=1, kinds=[name])

        async def granted() -> tuple[bool, ...]:
            return tuple([await _is_granted(redis, command) for command in ASKED])

        meanwhile: list[tuple[bool, ...]] = []

        async def look(*_: Any) -> None:
            meanwhile.append(await granted())

        monkeypatch.setattr(faults, "_wait", look)
        assert name in KINDS
        assert await faults.kinds[name]()
        assert meanwhile == [expected]
        assert await granted() == (True, True)
    finally:
        await redis.kill()


async def _is_granted(redis: RedisProcess, command: str) -> bool:
    return not (await redis.ask(command)).startswith(b"-")
