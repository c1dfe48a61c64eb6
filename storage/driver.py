"""PostgreSQL's wire from Trio: psycopg's C generators, driven by Trio's I/O.

psycopg speaks to libpq in generators that say what they wait for; this module waits for it. One
``TrioConnection`` is used by one task at a time. Rules, each learnt from a cancellation fuzz test
(``tests/integration/storage/test_cancellation.py``):

- A cancelled task is noticed before the first byte is sent, never between sending and waiting.
- Cancelled in the middle: ask the server to cancel, then drive *the same* generator to its end,
  shielded, at most ``SETTLE_SECONDS``. What can not be settled is closed.
- Everything that went out in one pipeline is read back in one generator, so that "settled" means
  that nothing is left on the wire.
- COMMIT is never cancelled on the server: it is waited for, within bounds, and its answer counts.
"""

from __future__ import annotations

import ipaddress
import math
import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson
import psycopg
import trio
from psycopg import generators, pq
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.conninfo import conninfo_attempts, conninfo_to_dict, make_conninfo
from psycopg.types.json import set_json_loads
from psycopg.types.numeric import Int8Dumper
from psycopg.waiting import Ready, Wait

from storage.readiness import drive_changing_socket, wait_for_either

# psycopg's connection classes are asyncio's or blocking; this base of both is neither.
from psycopg._connection_base import BaseConnection  # isort: skip

SETTLE_SECONDS: Final = 5.0
"""Longest shielded wait for a cancelled statement to end."""

_FIRST_CANCEL_SECONDS: Final = 0.05

_IDLE: Final = pq.TransactionStatus.IDLE
_ACTIVE: Final = pq.TransactionStatus.ACTIVE
_BAD: Final = pq.ConnStatus.BAD
_COMMAND_OK: Final = pq.ExecStatus.COMMAND_OK
_FATAL_ERROR: Final = pq.ExecStatus.FATAL_ERROR
_PIPELINE_SYNC: Final = pq.ExecStatus.PIPELINE_SYNC

_COPY_CHUNK_BYTES: Final = 2**18
"""libpq spins on chunks its buffer can not take whole."""

T = TypeVar("T")


@dataclass(slots=True)
class Counters:
    """What connections did, summed over a pool."""

    round_trips: int = 0
    queries: int = 0
    transactions: int = 0
    commits: int = 0
    rollbacks: int = 0
    connects: int = 0
    losses: int = 0
    cancels: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """One statement with its values, ready to send."""

    sql: bytes
    values: Sequence[Buffer | None] = ()
    types: tuple[int, ...] = ()
    formats: Sequence[pq.Format] = ()
    prepared_as: bytes | None = None
    """Run as this prepared statement; None: parse it each time."""
    may_write: bool = False


BEGIN: Final = Command(b"BEGIN")
COMMIT: Final = Command(b"COMMIT")
ROLLBACK: Final = Command(b"ROLLBACK")


@dataclass(slots=True)
class Reply:
    """What came back for a list of commands, in their order."""

    results: list[pq.abc.PGresult] = field(default_factory=list)
    """Shorter than the commands if the connection was lost."""
    lost: psycopg.Error | None = None


class TrioConnection(BaseConnection[Any]):
    """A connection in libpq's autocommit: transactions are statements like any other."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        super().__init__(pgconn)
        self.counters = Counters()
        self.is_doomed = False
        """Must not be used again: its prepared statements no longer fit the schema."""
        self._adapters = _make_adapters()
        self.transformer = Transformer(self)
        self._prepared_names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._prepared_count = 0
        self._busy_since = math.inf
        self._farewells = select.poll()
        self._farewells.register(pgconn.socket, select.POLLIN)

    @classmethod
    async def open(cls, url: str, *, timeout_seconds: float, **settings: str) -> TrioConnection:
        """Connect to the first server of the URL that answers; the URL's settings win.

        Raises:
            psycopg.OperationalError: none did; the last one's reason.
            trio.TooSlowError: not within the time.
        """
        params = {**settings, **conninfo_to_dict(url)}
        with trio.fail_after(timeout_seconds):
            # Resolving a name blocks; sockets and addresses need none.
            attempts = (
                conninfo_attempts(params)
                if _is_resolved(params)
                else await trio.to_thread.run_sync(
                    conninfo_attempts, params, abandon_on_cancel=True
                )
            )
            for attempt in attempts[:-1]:
                try:
                    return await cls._connect_to(attempt)
                except psycopg.OperationalError:
                    continue
            return await cls._connect_to(attempts[-1])

    @classmethod
    async def _connect_to(cls, params: Mapping[str, Any]) -> TrioConnection:
        return await drive_changing_socket(cls._connect_gen(make_conninfo("", **params)))

    @property
    def is_idle(self) -> bool:
        """Between transactions with nothing on the wire."""
        return self.pgconn.transaction_status == _IDLE and not self.pgconn.pipeline_status

    @property
    def has_news(self) -> bool:
        """The server sent something unasked: a farewell, or a closed socket."""
        return bool(self._farewells.poll(0))

    def finish(self) -> None:
        """Close at once, without a word to the server's statement."""
        if self._busy_since != math.inf and not self.closed:
            # A task may be waiting for the socket that is about to vanish.
            trio.lowlevel.notify_closing(self.pgconn.socket)
        self._closed = True
        self.pgconn.finish()

    def give_up_if_silent(self, seconds: float) -> None:
        """Treat the connection as lost if it has owed an answer for longer than this.

        The server's own ``statement_timeout`` comes first; this is for a server that is gone
        without a word. A deadline around every wait would cost a tenth of a small query.
        """
        if time.monotonic() - self._busy_since > seconds and not self.closed:
            trio.lowlevel.notify_closing(self.pgconn.socket)

    async def run(self, commands: Sequence[Command], *, is_final: bool = False) -> Reply:
        """Send all commands in one round trip and read what came back.

        Args:
            commands: after one that fails the server skips the rest.
            is_final: they end a transaction: a cancelled caller waits (bounded) for the answer.

        Cancellation: before anything is sent, or after the server's statement was cancelled and
        the wire is clean. With ``is_final`` it returns the answer if there is one.
        """
        if self._busy_since != math.inf:
            raise trio.BusyResourceError("another task uses this connection")
        await trio.lowlevel.checkpoint_if_cancelled()
        self._busy_since = time.monotonic()
        try:
            return await self._run(commands, is_final=is_final)
        finally:
            self._busy_since = math.inf

    async def _run(self, commands: Sequence[Command], *, is_final: bool) -> Reply:
        self.counters.round_trips += 1
        reply = Reply()
        exchange = self._exchange(commands, reply)
        try:
            await self._drive(exchange)
        except psycopg.Error as error:
            self.finish()
            reply.lost = error
        except trio.Cancelled:
            await self._settle(exchange, ask_to_cancel=not is_final)
            if is_final and self.pgconn.status != _BAD:
                # The answer is known: the cancellation waits for the next checkpoint.
                return reply
            raise
        except BaseException:
            # A defect (or Ctrl-C) while something is on the wire.
            self.finish()
            raise
        return reply

    async def copy_in(self, sql: bytes, chunks: Sequence[bytes]) -> Reply:
        """Run ``COPY ... FROM STDIN`` with these chunks; a cancel leaves no row behind."""
        if self._busy_since != math.inf:
            raise trio.BusyResourceError("another task uses this connection")
        await trio.lowlevel.checkpoint_if_cancelled()
        self._busy_since = time.monotonic()
        self.counters.round_trips += 2
        reply = Reply()
        try:
            await self._drive(self._copy(sql, chunks, reply))
        except psycopg.Error as error:
            if self.pgconn.transaction_status == _ACTIVE:
                self.finish()
            if self.pgconn.status == _BAD:
                reply.lost = error
            else:
                raise
        except BaseException:
            # Half a COPY is on the wire: closing is the sure way to make it void.
            self.finish()
            raise
        finally:
            self._busy_since = math.inf
        return reply

    def _copy(self, sql: bytes, chunks: Sequence[bytes], reply: Reply) -> PQGen[None]:
        self.pgconn.send_query(sql)
        opened = yield from generators.execute(self.pgconn)
        if opened[-1].status != pq.ExecStatus.COPY_IN:
            reply.results.extend(opened)
            return
        for chunk in chunks:
            for start in range(0, len(chunk), _COPY_CHUNK_BYTES):
                part = chunk[start : start + _COPY_CHUNK_BYTES]
                yield from generators.copy_to(self.pgconn, part)
        reply.results.append((yield from generators.copy_end(self.pgconn, None)))

    def _exchange(self, commands: Sequence[Command], reply: Reply) -> PQGen[None]:
        """The whole conversation, so that settling it means finishing this generator."""
        if len(commands) == 1 and self._is_ready(commands[0]):
            self._send(commands[0])
            reply.results.append(_verdict((yield from generators.execute(self.pgconn))))
            return
        pgconn = self.pgconn
        pgconn.enter_pipeline_mode()
        preparing: list[bytes | None] = []
        for command in commands:
            preparing.append(None if self._is_ready(command) else self._prepare(command))
            self._send(command)
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        for name in preparing:
            refused = None
            if name is not None:
                refused = yield from self._read_prepared(name)
            results = yield from generators.fetch_many(pgconn)
            reply.results.append(refused or _verdict(results))
        yield from self._read_sync(reply)
        pgconn.exit_pipeline_mode()

    def _read_sync(self, reply: Reply) -> PQGen[None]:
        """Outside a transaction the sync commits: a deferred constraint refuses here."""
        while True:
            results = yield from generators.fetch_many(self.pgconn)
            answer = _verdict(results)
            if answer.status == _PIPELINE_SYNC:
                return
            reply.results[-1] = answer

    def _is_ready(self, command: Command) -> bool:
        name = command.prepared_as
        return name is None or (name, command.types) in self._prepared_names

    def _prepare(self, command: Command) -> bytes:
        """Queue the PREPARE; assumed to succeed until its answer says otherwise."""
        assert command.prepared_as is not None
        self._prepared_count += 1
        name = b"%s_%d" % (command.prepared_as, self._prepared_count)
        self._prepared_names[command.prepared_as, command.types] = name
        self.pgconn.send_prepare(name, command.sql, param_types=command.types or None)
        return name

    def _read_prepared(self, name: bytes) -> PQGen[pq.abc.PGresult | None]:
        """The server's refusal, or None if it prepared the statement."""
        results = yield from generators.fetch_many(self.pgconn)
        if results and results[0].status == _COMMAND_OK:
            return None
        for key in [key for key, known in self._prepared_names.items() if known == name]:
            del self._prepared_names[key]
        return results[0] if results else None

    def _send(self, command: Command) -> None:
        if command.prepared_as is not None:
            self.pgconn.send_query_prepared(
                self._prepared_names[command.prepared_as, command.types],
                command.values or None,
                param_formats=command.formats or None,
            )
        else:
            self.pgconn.send_query_params(
                command.sql,
                command.values or None,
                param_types=command.types or None,
                param_formats=command.formats or None,
            )

    async def _settle(self, exchange: PQGen[None], *, ask_to_cancel: bool) -> None:
        """Bring the wire to rest, or close the connection; at most ``SETTLE_SECONDS``."""
        is_settled = False
        patience = _FIRST_CANCEL_SECONDS if ask_to_cancel else SETTLE_SECONDS
        try:
            with trio.move_on_after(SETTLE_SECONDS, shield=True):
                while not is_settled:
                    if ask_to_cancel:
                        self.counters.cancels += 1
                        await drive_changing_socket(self._cancel_gen())
                    # A request that overtakes the statement finds nothing to cancel: repeat it.
                    with trio.move_on_after(patience):
                        await self._drive(exchange, is_resumed=True)
                        is_settled = True
                    patience *= 2
        except psycopg.Error:
            pass
        finally:
            if not is_settled or self.pgconn.transaction_status == _ACTIVE:
                self.finish()

    async def _drive(self, exchange: PQGen[T], *, is_resumed: bool = False) -> T:
        """Run a generator of psycopg's, waiting for the socket as it asks."""
        try:
            # Where it was left waiting, "not ready" makes it ask again.
            wanted = exchange.send(Ready.NONE) if is_resumed else next(exchange)
            socket = self.pgconn.socket
            while True:
                if wanted == Wait.R:
                    await trio.lowlevel.wait_readable(socket)
                    wanted = exchange.send(Ready.R)
                else:
                    wanted = exchange.send(await wait_for_either(socket, wanted))
        except StopIteration as done:
            value: T = done.value
            return value
        except trio.ClosedResourceError as error:
            raise psycopg.OperationalError("the server did not answer in time") from error


def _verdict(results: Sequence[pq.abc.PGresult]) -> pq.abc.PGresult:
    """The failure among a statement's results (it may follow a success), or its result."""
    if not results:
        raise psycopg.OperationalError("the connection was lost")
    for result in results:
        if result.status == _FATAL_ERROR:
            return result
    return results[0]


def _is_resolved(params: Mapping[str, Any]) -> bool:
    if params.get("hostaddr"):
        return True
    for host in str(params.get("host") or "/").split(","):
        if not host.startswith(("/", "@")):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                return False
    return True


def _make_adapters() -> AdaptersMap:
    """Numbers travel as bigint whatever their size, so that a statement has one shape."""
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8Dumper)
    set_json_loads(orjson.loads, adapters)
    return adapters
