"""What psycopg and PostgreSQL raise, told in the words of ``storage.errors``.

The one place that reads SQLSTATE. Anything it does not know is a defect of ours (bad SQL, a
missing parameter) and is raised as psycopg gave it.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from storage.errors import (
    Conflict,
    Contention,
    InvalidData,
    StatementTimeout,
    StorageError,
    Unavailable,
)

_RETRY_SECONDS: Final = {
    # Read-only and a full disk last until a person acts; deadlocks end at once.
    "25006": 5.0,
    "53100": 5.0,
    "53200": 2.0,
    "53300": 2.0,
    "55P03": 0.5,
}
_UNAVAILABLE_CLASSES: Final = frozenset(
    {
        "08",  # connection exception
        "53",  # insufficient resources: disk full, out of memory, too many connections
        "57",  # operator intervention: admin shutdown, crash, cannot connect now
        "58",  # system error: I/O
    }
)
_UNAVAILABLE_STATES: Final = frozenset({"25006", "25P03", "25P04", "55P03", "XX001", "XX002"})
_INVALID_STATES: Final = frozenset({"22P02", "22P05", "22021", "54000"})


def translate(error: psycopg.Error, *, connection_lost: bool = False) -> Exception:
    """The storage error that says the same; ``error`` itself if it is a defect.

    Args:
        error: as psycopg raised it or ``errors.error_from_result`` built it.
        connection_lost: the connection ended with it, whatever the text says.
    """
    state = error.sqlstate or ""
    text = _text_of(error)
    if isinstance(error, psycopg.IntegrityError):
        return Conflict(text, constraint=error.diag.constraint_name)
    if isinstance(error, errors.QueryCanceled):
        # Our own cancel never surfaces: the task it belongs to is already being cancelled.
        return StatementTimeout(text) if "timeout" in text else Unavailable(text)
    if state[:2] == "40":
        return Contention(text, retry_after_seconds=0.1)
    if state in _UNAVAILABLE_STATES or state[:2] in _UNAVAILABLE_CLASSES:
        return Unavailable(text, retry_after_seconds=_RETRY_SECONDS.get(state, 1.0))
    if state in _INVALID_STATES or (state[:2] == "22" and state != "22012"):
        return InvalidData(text)
    if connection_lost or (isinstance(error, psycopg.OperationalError) and not state):
        return Unavailable(text)
    if isinstance(error, psycopg.DataError):
        return InvalidData(text)
    return error


def refusal(error: psycopg.Error) -> StorageError:
    """The storage error for a connection that could not be opened (libpq gives it no SQLSTATE)."""
    return Unavailable(f"PostgreSQL could not be reached: {_text_of(error)}")


def _text_of(error: psycopg.Error) -> str:
    """The first line: the rest may quote the row, which is somebody's text."""
    primary = error.diag.message_primary or str(error)
    first, _, _ = primary.strip().partition("\n")
    return first or type(error).__name__
