"""Storage faults.

    StorageError
    ├── Unavailable          the database is away or too slow; retry later
    │   ├── PoolExhausted    no connection became free in time
    │   ├── Overloaded       a bounded queue is full
    │   └── Contention       two transactions were in each other's way
    ├── CommitUnknown        the connection broke during COMMIT; it may or may not have happened
    ├── StatementTimeout     PostgreSQL cancelled a statement that ran too long
    ├── Conflict             a constraint refused the write
    ├── InvalidData          PostgreSQL can not store these values
    └── SchemaMismatch       the schema is not the one this version needs

None of them knows HTTP or WebSocket; the edge has one table for that.
"""

from __future__ import annotations


class StorageError(Exception):
    """Base of all storage faults."""


class Unavailable(StorageError):
    """The database can not be reached, or lost the connection before anything was committed.

    Nothing was written; trying again is safe.
    """

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PoolExhausted(Unavailable):
    """No connection became free before the acquire deadline."""


class Overloaded(Unavailable):
    """A bounded queue in front of the database is full."""


class Contention(Unavailable):
    """PostgreSQL ended this transaction in favour of another (deadlock, serialization)."""


class CommitUnknown(StorageError):
    """The connection was lost during COMMIT: whether it took effect is not known.

    The caller must reload before relying on anything it held in memory.
    """


class StatementTimeout(StorageError):
    """PostgreSQL cancelled a statement at ``statement_timeout``. Nothing was written."""


class Conflict(StorageError):
    """A unique, foreign-key or check constraint refused the write."""

    def __init__(self, message: str, *, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class InvalidData(StorageError):
    """PostgreSQL can not store a value (NUL character, out of range, too long)."""


class SchemaMismatch(StorageError):
    """The database's schema is older or newer than this version, or missing."""

    def __init__(self, message: str, *, found: str | None, expected: str) -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected
