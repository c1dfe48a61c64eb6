"""Faults a person at a terminal can do something about: a sentence and an exit status."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import typer

from aeon.config import SettingsError
from aeon.early_signals import INTERRUPTED
from aeon.interruption import Interrupted
from aeon.load.faults import LoadFault, UsageFault
from aeon.media.errors import StoreRefused
from storage.bus import BusRefused
from storage.errors import StorageError

WRONG: Final = 2
"""Exit status: a setting, an option or the database is not as it must be."""
_EXPECTED: Final = (
    SettingsError,
    StorageError,
    BusRefused,
    StoreRefused,
    LoadFault,
    UsageFault,
    Interrupted,
    KeyboardInterrupt,
)
_CANNOT_BIND: Final = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}


@contextmanager
def teach(command: str = "aeon") -> Iterator[None]:
    """Turn expected faults into a message on standard error and an exit status.

    The status is 2 for what was asked or configured wrongly, 130 for an interruption, and what a
    load run's fault says. Anything else is a bug and keeps its traceback.
    """
    try:
        yield
        return
    except (*_EXPECTED, OSError, BaseExceptionGroup) as error:
        told = [_sentence(leaf) for leaf in leaves(error)]
        if None in told:
            raise
    for text in dict.fromkeys(found.text for found in told if found):
        colour = "red" if sys.stderr.isatty() else None
        typer.secho(f"{command}: {text}", err=True, fg=colour)
    # Also where there is no command line around it, as in a worker.
    sys.exit(max(found.status for found in told if found))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Give the errors of a group, however deep they lie; of no group, the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    status: int


def _sentence(error: BaseException) -> _Sentence | None:
    """Say what is wrong; None for a bug."""
    match error:
        case LoadFault() | UsageFault():
            return _Sentence(str(error), error.exit_status)
        case Interrupted() | KeyboardInterrupt():
            return _Sentence("interrupted", INTERRUPTED)
        case OSError() if _is_address_fault(error):
            where = "HOST and PORT, --host and --port; METRICS_BIND if it is set"
            return _Sentence(f"can not listen there ({where}): {error}", WRONG)
        case OSError():
            return None
        case _ if isinstance(error, _EXPECTED):
            return _Sentence(str(error), WRONG)
    return None


def _is_address_fault(error: OSError) -> bool:
    # A file that can not be read has the same errno, and a name.
    return isinstance(error, socket.gaierror) or (
        error.errno in _CANNOT_BIND and error.filename is None
    )
