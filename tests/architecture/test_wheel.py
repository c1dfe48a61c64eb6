"""The wheel that people install: all that the packages need beside code, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("aeon", "actors", "storage", "migrations")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = directory.glob("*.whl")
    return frozenset(zipfile.ZipFile(wheel).namelist())


def _in_the_packages() -> Iterator[str]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


def test_every_file_of_the_packages_is_in(names: frozenset[str]) -> None:
    assert set(_in_the_packages()) - names == set()


@pytest.mark.parametrize(
    "name",
    [
        "aeon/py.typed",
        "actors/py.typed",
        "storage/py.typed",
        "aeon/ws/PROTOCOL.md",
        "aeon/api/README.md",
        "actors/runtime/README.md",
        "aeon/static/docs/swagger-ui-bundle.js",
        "aeon/static/admin/index.html",
        "migrations/env.py",
        "migrations/versions/0001_first_schema.py",
    ],
)
def test_what_is_no_code_is_in(names: frozenset[str], name: str) -> None:
    assert name in names


def test_nothing_else_is_in(names: frozenset[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert not any("__pycache__" in name for name in names)
