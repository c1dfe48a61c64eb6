"""Faults a person at a terminal can do something about: a sentence and an exit status."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from aeon.config import SettingsError
from aeon.media.errors import StoreRefused
from storage.bus import BusRefused
from storage.errors import StorageError

_CANNOT_BIND: Final = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}


@contextmanager
def teach() -> Iterator[None]:
    """Turn expected faults into a message on standard error and exit status 2.

    Anything else is a bug and keeps its traceback.
    """
    try:
        yield
    except* (SettingsError, StorageError, BusRefused, StoreRefused) as group:
        for error in leaves(group):
            _say(str(error))
        raise typer.Exit(2) from None
    except* OSError as group:
        expected, bugs = group.split(_is_bind_fault)
        if bugs is not None or expected is None:
            raise
        where = "HOST and PORT, --host and --port; METRICS_BIND if it is set"
        _say(f"can not listen there ({where}): {next(leaves(expected))}")
        raise typer.Exit(2) from None


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Give the errors of a group, however deep they lie."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def _is_bind_fault(error: BaseException) -> bool:
    # A file that can not be read has the same errno, and a name.
    return isinstance(error, OSError) and error.errno in _CANNOT_BIND and error.filename is None


def _say(text: str) -> None:
    typer.secho(f"aeon: {text}", err=True, fg="red" if sys.stderr.isatty() else None)
