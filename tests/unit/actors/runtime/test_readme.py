"""The runtime's README: its example runs as written, its tables name what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import actors.runtime
from actors.runtime import ActorSystem, Survey

FOLDER = Path(actors.runtime.__file__).parent
TEXT = (FOLDER / "README.md").read_text()


def section(title: str) -> str:
    """What stands under a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(table: str) -> list[str]:
    """The code in the first column of a table."""
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return [code for row in rows for code in re.findall("`([^`]+)`", row)]


def test_every_example_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: an example that lacks an import, or uses what is not there."""
    examples = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    assert len(examples) == 1, "say here what it prints"
    exec(compile(examples[0], "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == "2\nsold out\n"


@pytest.mark.parametrize("call", first_cells(section("For operators")))
def test_calls_for_operators_are_what_they_are_called(call: str) -> None:
    """Fault: a renamed call, or a parameter that is none."""
    name, _, rest = call.removeprefix("await ").partition("(")
    wanted = {word.strip().rstrip("=") for word in rest.rstrip(")").split(",")} - {""}
    if wanted and rest.startswith("Survey("):
        name, wanted = "Survey", {word.removeprefix("Survey(").rstrip("=)") for word in wanted}
        parameters = inspect.signature(Survey).parameters
    else:
        parameters = inspect.signature(getattr(ActorSystem, name)).parameters
    assert wanted <= set(parameters), name


def test_every_file_is_named() -> None:
    """Fault: a new file that the map does not show, or one on it that is gone."""
    named = first_cells(section("Files"))
    assert sorted(named) == sorted(
        path.name for path in FOLDER.glob("*.py") if path.name != "__init__.py"
    )


def test_words_of_the_package_are_public() -> None:
    """Fault: a name in the text that can't be imported."""
    named = set(re.findall(r"`((?:Actor|Ask|Mailbox|Overflow|Restart|Dead)\w*)`", TEXT))
    assert len(named) > 5
    assert named <= set(actors.runtime.__all__)
