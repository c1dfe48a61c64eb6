"""Signals while a command holds nothing that it had to give back: the program ends at once.

That is so until the command listens to signals itself, and again when it has let go of everything.
It does not end by an exception, as Python's own Ctrl-C does: raised wherever the signal finds the
program, it is lost in a callback of the interpreter's (each import has one), and becomes a
traceback, or another exit status, elsewhere.

Imports next to nothing, so that it is there before anything else is.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""Exit status, as shells count Ctrl-C."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_status = INTERRUPTED
_has_hung_up = False


def end_at_signals(status: int = INTERRUPTED) -> None:
    """From now on, end with this status when a signal to stop comes, or the terminal is closed."""
    end_with(status)
    for number in stop_signals():
        signal.signal(number, _end)


def end_with(status: int) -> None:
    """Say with which status a signal is to end the program: it stands when the work is done."""
    global _status
    _status = status


def note_hangups() -> None:
    """Let SIGHUP end nothing: it may come to mean that workers are to be replaced."""
    if signal.SIGHUP in stop_signals():
        signal.signal(signal.SIGHUP, _note)


def end_at_hangups() -> None:
    """Take SIGHUP as a signal to stop after all, also one that came meanwhile."""
    if signal.SIGHUP in stop_signals():
        signal.signal(signal.SIGHUP, _end)
    if _has_hung_up:
        _end(signal.SIGHUP, None)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Give the signals that stop what has no other use for them.

    Without SIGHUP where whoever started the program had it ignored, as ``nohup`` does.
    """
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return STOP_SIGNALS if is_ignored else (*STOP_SIGNALS, signal.SIGHUP)


def _end(_number: int, _frame: FrameType | None) -> None:
    try:
        if _status == INTERRUPTED:
            os.write(2, b"aeon: interrupted\n")
    finally:
        os._exit(_status)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _has_hung_up
    _has_hung_up = True
