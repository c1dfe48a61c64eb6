"""A PostgreSQL database as the rest of storage sees it.

``Database`` lends connections; ``Connection`` runs statements; ``Query`` is one. The driver and
the pool stand behind them and are nobody else's business.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

import psycopg
import trio
from psycopg.conninfo import conninfo_to_dict

from storage.connection import Connection
from storage.errors import StorageError
from storage.pool import Pool, PoolOptions
from storage.query import Query

__all__ = ["Connection", "Database", "DatabaseStatistics", "Query"]


@dataclass(frozen=True, slots=True)
class DatabaseStatistics:
    """A snapshot; the counts only grow."""

    size: int
    idle: int
    in_use: int
    waiting: int
    connects: int
    reconnects: int
    """Connections that were lost, or closed because they were not clean; replaced when needed."""
    round_trips: int
    queries: int
    transactions: int
    commits: int
    rollbacks: int
    cancels: int
    """Statements that were cancelled on the server because their task was."""


class Database:
    """A pool of connections to one database. Open it with ``Database.open``."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        pool_size: int = 8,
        acquire_timeout_seconds: float = 5.0,
        statement_timeout_seconds: float = 15.0,
        application_name: str = "aeon",
    ) -> AsyncIterator[Database]:
        """Connect, and close all connections at the end of the block.

        Raises:
            Unavailable: the first connection could not be made. Later losses heal by themselves.
            ValueError: the URL is no PostgreSQL URL.
        """
        options = PoolOptions(
            url=libpq_url(url),
            size=pool_size,
            acquire_timeout_seconds=acquire_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
            application_name=application_name,
        )
        pool = Pool(options)
        # A nursery around the block would wrap its errors in groups.
        trio.lowlevel.spawn_system_task(pool.watch)
        try:
            pool.give_back(await pool.acquire())
            yield cls(pool)
        finally:
            pool.close()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection where every statement commits by itself."""
        return _Loan(self._pool)

    def transaction(self, name: str) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection in a transaction: commits at the end, rolls back on any exception.

        Args:
            name: the function it belongs to, for people who read stack traces and logs.
        """
        return _Transaction(self._pool, name)

    def statistics(self) -> DatabaseStatistics:
        """Counts since opening, and who holds what right now."""
        pool, counters = self._pool, self._pool.counters
        return DatabaseStatistics(
            size=pool.options.size,
            idle=pool.idle,
            in_use=pool.in_use,
            waiting=pool.waiting,
            connects=counters.connects,
            reconnects=counters.losses,
            round_trips=counters.round_trips,
            queries=counters.queries,
            transactions=counters.transactions,
            commits=counters.commits,
            rollbacks=counters.rollbacks,
            cancels=counters.cancels,
        )


class _Loan:
    """``Database.connection``: a class, because every read pays for it."""

    __slots__ = ("_connection", "_driver", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._driver = await self._pool.acquire()
        self._connection = Connection(self._driver)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._connection._end()
        self._pool.give_back(self._driver)


class _Transaction:
    __slots__ = ("_connection", "_driver", "_name", "_pool")

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = name

    async def __aenter__(self) -> Connection:
        self._driver = await self._pool.acquire()
        self._connection = Connection(self._driver, in_transaction=True)
        return self._connection

    async def __aexit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._commit()
            else:
                await self._connection._rollback()
        finally:
            self._connection._end()
            self._pool.give_back(self._driver)
            if isinstance(error, StorageError):
                error.add_note(f"in transaction {self._name}")

    async def _commit(self) -> None:
        try:
            await self._connection._commit()
        except BaseException:
            await self._connection._rollback()
            raise


def libpq_url(url: str) -> str:
    """The URL as libpq reads it: ``postgresql+driver://`` loses its driver.

    Raises:
        ValueError: no PostgreSQL URL. The text never quotes it: it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("DATABASE_URL must start with postgres:// or postgresql://")
    # asyncpg's spelling of libpq's sslmode.
    rest = re.sub(r"([?&])ssl=", r"\1sslmode=", rest)
    try:
        conninfo_to_dict(f"postgresql://{rest}")
    except psycopg.ProgrammingError as error:
        raise ValueError(f"DATABASE_URL is not understood: {error}") from None
    return f"postgresql://{rest}"
