"""Every ``aeon`` command that a document shows can be typed as it stands there."""

import re
import shlex
from pathlib import Path
from typing import Any

from typer.main import get_command

from aeon.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "aeon").rglob("*.md"),
    *(ROOT / "deploy").rglob("*.md"),
    ROOT / "env.example",
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    ROOT / "Procfile",
]
NAMES = "serve|health|top|demo|db|secret-key|seed|bench|load"
COMMAND = re.compile(rf"(?:^|[`\"( /])aeon ((?:{NAMES})\b[^`#|;&\n\],)]*)", flags=re.MULTILINE)


def fault(words: list[str]) -> str | None:
    """Say what there is not; values are not looked at."""
    command: Any = get_command(app)
    for word in words:
        if word.startswith("--"):
            flags = {flag for parameter in command.params for flag in parameter.opts}
            if word not in {*flags, "--help"}:
                return f"no option {word}"
        elif word == "SCENARIO":
            command = command.get_command(None, "chat")
        elif hasattr(command, "get_command") and re.fullmatch(r"[a-z-]+", word):
            command = command.get_command(None, word)
            if command is None:
                return f"no command {word}"
    return None


def test_documents_show_commands_that_there_are() -> None:
    shown = {
        (document.relative_to(ROOT).as_posix(), text.strip().rstrip('".,:)'))
        for document in DOCUMENTS
        for text in COMMAND.findall(document.read_text())
    }
    faults = {
        (where, text): found
        for where, text in shown
        if (found := fault(shlex.split(text.replace("'", "").replace('"', "")))) is not None
    }

    assert len(shown) > 40
    assert faults == {}
