"""What makes no sense is refused by its flag's name, before anything starts."""

from pathlib import Path

import pytest

from aeon.load.cluster.conduct import CheckOptions
from aeon.load.cluster.faults import Faults
from aeon.load.cluster.kinds import KINDS
from aeon.load.cluster.redis_process import find_redis
from aeon.load.faults import UsageFault
from aeon.load.options import Options, Scenario

SOAK = Options(scenario=Scenario.SOAK, self_serve=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (CheckOptions(load=SOAK, nodes=1), "--nodes 1 "),
        (CheckOptions(load=SOAK, nodes=99), "--nodes 99 "),
        (CheckOptions(load=SOAK, pause_seconds=0), "--pause 0 "),
        (CheckOptions(load=SOAK, kinds=("meteor",)), "--fault meteor"),
        (CheckOptions(load=Options(scenario=Scenario.SOAK, self_serve=True, rate=0)), "--rate"),
    ],
)
def test_refused_by_name(options: CheckOptions, named: str) -> None:
    with pytest.raises(UsageFault) as caught:
        options.check()

    assert named in str(caught.value)


def test_every_fault_that_is_named_exists() -> None:
    CheckOptions(load=SOAK, kinds=KINDS).check()

    assert set(Faults(world=None, seed=1).kinds) == set(KINDS)  # type: ignore[arg-type] # unused


def test_a_redis_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="--redis-server"):
        find_redis(str(tmp_path / "nothing"))
