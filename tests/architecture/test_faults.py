"""The list of seeded faults fits the code: a refactoring must not leave it behind."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = tomllib.loads((ROOT / "tests/mutation/actors_runtime.toml").read_text())["fault"]


@pytest.mark.parametrize("file", sorted({fault["file"] for fault in FAULTS}))
def test_each_fault_has_its_place(file: str) -> None:
    text = (ROOT / "actors/runtime" / file).read_text()

    lost = [f["name"] for f in FAULTS if f["file"] == file and text.count(f["old"]) != 1]

    assert lost == []


def test_each_fault_has_its_name() -> None:
    assert len({fault["name"] for fault in FAULTS}) == len(FAULTS)
