"""The connection that storage functions take: statements in, rows out.

A transaction costs as many round trips as it has calls: BEGIN travels with the first statement,
and ``fetch_many(..., commit=True)`` sends COMMIT along with the last ones.

Cost, microseconds of wall and client CPU per call, best of 12 rounds (2026-11-23, 2 cores of an
Intel Xeon, Unix socket, Python 3.11; blocking psycopg in the same rounds for scale):

    psycopg, blocking, select 1            23 / 16
    fetch_one, prepared, connection held   32 / 25
    the same with a checkout               40 / 32
    fetch_many, five selects               61 / 46
    50 rows of three columns               74 / 47
    100 rows in as JSON, ids back         498 / 101
    transaction in one round trip          56 / 44
    transaction in two                     85 / 67
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import psycopg
import trio
from psycopg import pq
from psycopg.adapt import PyFormat
from psycopg.errors import error_from_result

from storage import faults
from storage.driver import BEGIN, COMMIT, ROLLBACK, SETTLE_SECONDS, Command, Reply, TrioConnection
from storage.errors import CommitUnknown, InvalidData, StorageError, Unavailable
from storage.query import Query, positional

Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Mapping[str, object]

NO_PARAMS: Final[Params] = MappingProxyType({})

_FATAL: Final = pq.ExecStatus.FATAL_ERROR
_SQLSTATE: Final = pq.DiagnosticField.SQLSTATE
_STALE_STATES: Final = ("0A000", "26000")
_TUPLES_OK: Final = pq.ExecStatus.TUPLES_OK
_BAD: Final = pq.ConnStatus.BAD
_AUTO: Final = PyFormat.AUTO


class _Phase(Enum):
    AUTOCOMMIT = auto()
    NOT_BEGUN = auto()
    OPEN = auto()
    ENDED = auto()


class Connection:
    """One connection on loan from the pool, for one task at a time.

    Every call is a checkpoint. A cancelled call leaves the statement without effect; a cancelled
    commit is waited for (at most five seconds) and, if it got its answer, returns normally.

    Raises, from every call:
        Unavailable: the server is away, read-only or full; nothing was written.
        StatementTimeout, Conflict, InvalidData: PostgreSQL's answer to this statement.
        CommitUnknown: the connection broke while COMMIT was on its way.
    """

    def __init__(self, driver: TrioConnection, *, in_transaction: bool = False) -> None:
        self._driver = driver
        self._phase = _Phase.NOT_BEGUN if in_transaction else _Phase.AUTOCOMMIT

    async def fetch_all(self, query: Query | str, params: Params = NO_PARAMS) -> list[Row]:
        """All rows of one statement."""
        (result,) = await self._run([(query, params)])
        return self._rows(result)

    async def fetch_one(self, query: Query | str, params: Params = NO_PARAMS) -> Row | None:
        """The first row of one statement, or None."""
        (result,) = await self._run([(query, params)])
        if result.status != _TUPLES_OK or not result.ntuples:
            return None
        self._driver.transformer.set_pgresult(result)
        return self._driver.transformer.load_row(0, tuple)

    async def execute(self, query: Query | str, params: Params = NO_PARAMS) -> int:
        """Run one statement; how many rows it touched."""
        (result,) = await self._run([(query, params)])
        return result.command_tuples or 0

    async def fetch_many(
        self, queries: Sequence[tuple[Query | str, Params]], *, commit: bool = False
    ) -> list[list[Row]]:
        """Run several statements in one round trip; the rows of each, in order.

        The first that fails ends the rest. Outside a transaction they succeed or fail together.

        Args:
            queries: statements and their values.
            commit: end the transaction in the same round trip; nothing may follow in its block.
        """
        if commit and self._phase not in (_Phase.NOT_BEGUN, _Phase.OPEN):
            raise RuntimeError("there is no transaction to commit")
        results = await self._run(queries, commit=commit)
        return [self._rows(result) for result in results]

    async def copy_in(self, sql: str, chunks: Sequence[bytes]) -> int:
        """Run ``COPY ... FROM STDIN`` with text-format lines; how many rows it stored."""
        if self._phase is _Phase.ENDED:
            raise RuntimeError("the transaction or the loan of this connection has ended")
        if self._phase is _Phase.NOT_BEGUN:
            self._driver.counters.transactions += 1
            self._phase = _Phase.OPEN
            await self._exchange([BEGIN])
        self._driver.counters.queries += 1
        try:
            reply = await self._driver.copy_in(sql.encode(), chunks)
        except psycopg.Error as error:
            raise faults.translate(error) from error
        if self._phase is _Phase.AUTOCOMMIT and reply.lost is not None:
            raise CommitUnknown("the connection was lost during COPY") from reply.lost
        (result,) = self._check(reply, expected=1)
        return result.command_tuples or 0

    async def _run(
        self, queries: Sequence[tuple[Query | str, Params]], *, commit: bool = False
    ) -> list[pq.abc.PGresult]:
        if self._phase is _Phase.ENDED:
            raise RuntimeError("the transaction or the loan of this connection has ended")
        commands = [self._command(query, params) for query, params in queries]
        self._driver.counters.queries += len(commands)
        first = 0
        if self._phase is _Phase.NOT_BEGUN:
            commands.insert(0, BEGIN)
            self._driver.counters.transactions += 1
            self._phase = _Phase.OPEN
            first = 1
        if not commit:
            return (await self._exchange(commands))[first:]
        return (await self._exchange_and_commit([*commands, COMMIT]))[first:-1]

    async def _exchange(self, commands: Sequence[Command]) -> list[pq.abc.PGresult]:
        if not commands:
            return []
        reply = await self._driver.run(commands)
        if self._phase is _Phase.AUTOCOMMIT and self._is_lost(reply):
            # Each of these commits by itself, after its result was sent.
            self._refuse_to_guess(commands, reply)
        return self._check(reply, expected=len(commands))

    async def _exchange_and_commit(self, commands: Sequence[Command]) -> list[pq.abc.PGresult]:
        reply = await self._driver.run(commands, is_final=True)
        if self._is_lost(reply):
            before_commit = Reply(reply.results[: len(commands) - 1])
            if not self._has_failed(before_commit):
                raise CommitUnknown("the connection was lost during COMMIT") from reply.lost
        results = self._check(reply, expected=len(commands))
        self._phase = _Phase.ENDED
        if results[-1].command_status == b"ROLLBACK":
            raise StorageError("the transaction had failed before COMMIT; nothing was written")
        self._driver.counters.commits += 1
        return results

    def _refuse_to_guess(self, commands: Sequence[Command], reply: Reply) -> None:
        if not self._has_failed(reply) and any(command.may_write for command in commands):
            raise CommitUnknown("the connection was lost during a write") from reply.lost

    def _is_lost(self, reply: Reply) -> bool:
        return reply.lost is not None or self._driver.pgconn.status == _BAD

    def _has_failed(self, reply: Reply) -> bool:
        """Whether PostgreSQL itself said that a statement failed, so that nothing was written.

        libpq makes up a failure, without SQLSTATE, when the connection just ends.
        """
        return any(
            result.status == _FATAL and result.error_field(_SQLSTATE) for result in reply.results
        )

    def _check(self, reply: Reply, *, expected: int) -> list[pq.abc.PGresult]:
        """The results, or the first failure among them in the words of storage."""
        for result in reply.results:
            if result.status == _FATAL:
                error = error_from_result(result, encoding=self._driver.pgconn._encoding)
                if error.sqlstate in _STALE_STATES:
                    # Prepared before the schema changed under it.
                    self._driver.is_doomed = True
                    raise Unavailable("a prepared statement went stale") from error
                raise faults.translate(error, connection_lost=self._is_lost(reply)) from error
        if self._is_lost(reply) or len(reply.results) < expected:
            raise Unavailable("the connection to PostgreSQL was lost") from reply.lost
        return reply.results

    def _rows(self, result: pq.abc.PGresult) -> list[Row]:
        if result.status != _TUPLES_OK:
            return []
        transformer = self._driver.transformer
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _command(self, query: Query | str, params: Params) -> Command:
        if isinstance(query, Query):
            text, name = query.text, query.name
            values = query.arguments(params)
        else:
            text, name = positional(query), None
            values = [params[key] for key in text.names]
        if not values:
            return Command(text.sql, prepared_as=name, may_write=text.may_write)
        transformer = self._driver.transformer
        try:
            dumped = transformer.dump_sequence(values, [_AUTO] * len(values))
        except (psycopg.DataError, UnicodeEncodeError, OverflowError) as error:
            # NUL characters, lone surrogates, dates beyond PostgreSQL's.
            raise InvalidData(str(error)) from error
        return Command(
            text.sql,
            dumped,
            transformer.types or (),
            transformer.formats or (),
            prepared_as=name,
            may_write=text.may_write,
        )

    # The pool's side: how a transaction's block ends.

    def _end(self) -> None:
        """The block is over: somebody else has the connection now."""
        self._phase = _Phase.ENDED

    async def _commit(self) -> None:
        """End the block: COMMIT unless nothing began or it is over already."""
        if self._phase is _Phase.OPEN:
            await self._exchange_and_commit([COMMIT])

    async def _rollback(self) -> None:
        """Undo, shielded and bounded; a connection that can not is closed."""
        if self._phase is not _Phase.OPEN:
            return
        self._phase = _Phase.ENDED
        driver = self._driver
        if driver.pgconn.status == _BAD or driver.is_idle:
            return
        driver.counters.rollbacks += 1
        with trio.move_on_after(SETTLE_SECONDS, shield=True) as patience:
            await driver.run([ROLLBACK])
        if patience.cancelled_caught or not driver.is_idle:
            driver.finish()
