"""README, ARCHITECTURE and the files they speak of belong together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_architecture_names_real_files() -> None:
    named = set(
        re.findall(
            r"`((?:aeon|actors|storage|migrations|tests)/[\w./-]+)`",
            (ROOT / "ARCHITECTURE.md").read_text(),
        )
    )

    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_readme_carries_the_command_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()

    assert readme.count("<!-- command: test -->") == 1
    assert "<!-- command: test -->" in (ROOT / ".ci" / "run").read_text()
