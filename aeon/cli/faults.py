"""Faults a person at a terminal can do something about: a sentence and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from aeon.config import SettingsError
from storage.errors import StorageError


@contextmanager
def teach() -> Iterator[None]:
    """Turn expected faults into a message on standard error and exit status 2.

    Anything else is a bug and keeps its traceback.
    """
    try:
        yield
    except* (SettingsError, StorageError, AddressInUse) as group:
        for error in leaves(group):
            typer.secho(f"aeon: {error}", err=True, fg="red" if sys.stderr.isatty() else None)
        raise typer.Exit(2) from None


class AddressInUse(Exception):
    """The address to listen on can not be had."""


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Give the errors of a group, however deep they lie."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
