"""Nodes of our own under faults: clients, clock and database agree afterwards.

``AEON_CHECK_SECONDS`` makes the run longer; ``aeon load check --duration 600`` is the long one.
"""

import os
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from aeon.load.cluster.conduct import CheckOptions, conduct_check
from aeon.load.options import Options, Scenario

SECONDS = float(os.environ.get("AEON_CHECK_SECONDS", "8"))


async def test_nothing_is_lost_doubled_or_reordered_over_faults(tmp_path: Path) -> None:
    for seconds in (SECONDS, 3 * SECONDS, 9 * SECONDS):
        report = await _run(tmp_path, seconds)
        # On a slow machine it takes longer until enough has happened.
        if _is_enough(report):
            return
    raise AssertionError(f"too little happened: {report}")


def _is_enough(report: dict[str, Any]) -> bool:
    return (
        sum(report["faults_injected"].values()) >= 3
        and report["commit_checks"]["checked"] > 20
        and report["verdict"]["checked_arrivals"] > 100
    )


async def _run(tmp_path: Path, seconds: float) -> dict[str, Any]:
    """Run it, and see that nothing is wrong; gives its report."""
    report_path = tmp_path / "report.json"
    load = Options(
        scenario=Scenario.SOAK,
        self_serve=True,
        duration_seconds=seconds,
        users=12,
        rate=25.0,
        seed=7,
        patience_seconds=60.0,
        drain_seconds=30.0,
        json_path=str(report_path),
    )
    options = CheckOptions(load=load, nodes=2, pause_seconds=0.4)
    options.check()

    status = await conduct_check(options, Console(quiet=True))

    report: dict[str, Any] = orjson.loads(report_path.read_bytes())
    assert (status, report["verdict"]["examples"], report["faults"]) == (0, [], [])
    return report
