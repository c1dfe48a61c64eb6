"""Runs ``aeon`` and signals it at a chosen moment of its life, without any clock.

``python -m tests.helpers.signalled SIGNAL WHERE EVENT WORD PROGRAM ARGUMENTS...`` sends the signal
once, when Python first tells of an audit event (``import``, ``subprocess.Popen``...) that has the
word among its arguments. WHERE is ``here`` or ``callback``: within the callback of a weak
reference, as the import machinery has one for each module.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def signalled(
    number: signal.Signals,
    event: str,
    word: str,
    *arguments: str,
    where: str = "here",
    program: str = "aeon",
    **how: Any,
) -> subprocess.Popen[str]:
    """Start ``aeon ARGUMENTS``, or another program, so that it is signalled at that moment."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.helpers.signalled"),
            *(number.name, where, event, word, program, *arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), **how.pop("env", {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def _signal_at(number: signal.Signals, where: str, event: str, word: str) -> None:
    has_happened = False

    def signal_us(_: object = None) -> None:
        os.kill(os.getpid(), number)

    def look(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal has_happened
        if has_happened or name != event or word not in str(arguments):
            return
        has_happened = True
        if where == "here":
            signal_us()
        else:
            passing = {None}
            gone = weakref.ref(passing, signal_us)
            del passing
            assert gone() is None

    sys.addaudithook(look)


if __name__ == "__main__":
    name, where, event, word, program, *arguments = sys.argv[1:]
    _signal_at(signal.Signals[name], where, event, word)
    sys.argv[1:] = arguments
    runpy.run_module(program, run_name="__main__", alter_sys=True)
