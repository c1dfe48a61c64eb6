"""What ``aeon/ws/PROTOCOL.md`` shows, taken apart: its examples and its tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aeon.ws

ELIDED = "…"
"""Key of an object some of whose fields an example leaves out."""


@dataclass(frozen=True)
class Example:
    """A frame as the page shows it."""

    is_command: bool
    frame: dict[str, Any]
    answers: str = ""
    """Of an ack: the type of the command it answers."""

    @property
    def kind(self) -> str:
        return f"{self.frame['type']} {self.answers}".strip()


@cache
def page() -> str:
    assert aeon.ws.__file__ is not None
    return (Path(aeon.ws.__file__).parent / "PROTOCOL.md").read_text()


def examples() -> list[Example]:
    """Give every frame of the page, in its order."""
    found: list[Example] = []
    sent: dict[str, str] = {}
    for arrow, text in re.findall(r"^([→←]) (\{.*)$", page(), re.MULTILINE):
        frame = _parse(text)
        if arrow == "→":
            sent[frame.get("id", "")] = frame["type"]
        answers = sent[frame["id"]] if frame["type"] == "ack" else ""
        found.append(Example(arrow == "→", frame, answers))
    blocks = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    return found + [Example(False, _parse(block)) for block in blocks]


def section(title: str) -> str:
    """Give the text under a heading."""
    return re.split(r"^## ", page().partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def rows(title: str) -> list[list[str]]:
    """Give the cells of all tables under a heading, without their heads."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {at - 1 for at, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for at, row in enumerate(cells) if at not in heads and at - 1 not in heads]


def names(cell: str) -> list[str]:
    """Give what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def difference(example: Any, real: Any, where: str = "") -> list[str]:
    """Say what a real frame has or lacks that the example does not show so."""
    if not isinstance(example, dict) or not isinstance(real, dict):
        same = real is None or example is None or type(example) is type(real)
        return [] if same else [f"{where}: {type(real).__name__}, not {type(example).__name__}"]
    if all(key.isdigit() for key in (*example, *real)):
        # A map by id: which ids is up to the story.
        pairs = [("*", one, other) for one in example.values() for other in real.values()]
    else:
        shown = example.keys() - {ELIDED}
        if shown - real.keys() or (ELIDED not in example and real.keys() - shown):
            return [f"{where}: {sorted(real)}, not {sorted(example)}"]
        pairs = [(key, example[key], real[key]) for key in shown]
    return [line for key, one, other in pairs for line in difference(one, other, f"{where}.{key}")]


def _parse(text: str) -> dict[str, Any]:
    text = text.replace(",…", f',"{ELIDED}":0').replace("{…}", f'{{"{ELIDED}":0}}')
    frame, _ = json.JSONDecoder().raw_decode(text)
    assert isinstance(frame, dict)
    return frame
