"""What machines can hold of the house style: lint, formatting, types, sizes, docstrings."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("aeon", "actors", "storage", "migrations")
MAX_LINES = 500
MAX_TEST_LINES = 800


def run_tool(*arguments: str) -> None:
    command = [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["lint", "format", "types"],
)
def test_tools_find_nothing(arguments: tuple[str, ...]) -> None:
    run_tool(*arguments)


def source_files(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def test_files_stay_small() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in source_files(*PACKAGES, "tests")
        if (lines := len(path.read_text().splitlines()))
        > (MAX_TEST_LINES if path.is_relative_to(ROOT / "tests") else MAX_LINES)
    }

    assert too_long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in source_files(*PACKAGES)
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]

    assert silent == []


def test_files_are_named_by_the_noun_they_own() -> None:
    vague = {"utils", "util", "common", "helpers", "misc", "core"}

    assert [path for path in source_files(*PACKAGES) if path.stem in vague] == []
