"""Where a task waits: files, lines and functions, never the value of a variable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import trio

MAX_FRAMES = 64


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One line of code that waits for the next."""

    file: str
    """From the directory it was imported from, such as ``shop/counter.py``."""
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


def await_stack(task: trio.lowlevel.Task) -> tuple[StackFrame, ...]:
    """Where a task waits, outermost first, then where its children do. Atomic."""
    return tuple(islice(_frames(task), MAX_FRAMES))


def _frames(task: trio.lowlevel.Task) -> Iterator[StackFrame]:
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        yield StackFrame(_import_path(code.co_filename), line, code.co_qualname)
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _frames(child)


@lru_cache(maxsize=512)
def _import_path(path: str) -> str:
    """``path`` without where the machine keeps it."""
    roots = (root.rstrip("/") + "/" for root in sys.path if root)
    longest = max((root for root in roots if path.startswith(root)), key=len, default=None)
    return path.rpartition("/")[2] if longest is None else path.removeprefix(longest)
