"""The pool: at most so many connections, each given out clean or not at all.

Coming back, a connection must be idle with nothing on the wire; going out, it must not have been
hung up on. While PostgreSQL is away one task tries to reach it, with growing pauses; whoever asks
meanwhile waits as long as the acquire deadline allows.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

import psycopg
import trio

from storage import faults
from storage.driver import Command, Counters, TrioConnection
from storage.errors import PoolExhausted, StorageError, Unavailable

CONNECT_TIMEOUT_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 5.0
"""How long after ``statement_timeout`` an answer may still be on its way."""
_WATCH_INTERVAL_SECONDS: Final = 1.0
IDLE_IN_TRANSACTION_MS: Final = 60_000
"""PostgreSQL ends a session that holds locks and says nothing (a frozen node)."""
_KEEPALIVE: Final = {
    # A silent peer is given up after about a minute; sockets of the same machine ignore these.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How connections are made and how long is waited for one."""

    url: str
    size: int
    acquire_timeout_seconds: float
    statement_timeout_seconds: float
    application_name: str


class Pool:
    """Connections of one database, newest used first so that spare ones can rest."""

    def __init__(self, options: PoolOptions) -> None:
        self.options = options
        self.counters = Counters()
        self._free = trio.Semaphore(options.size, max_value=options.size)
        self._idle: list[TrioConnection] = []
        self._lent: set[TrioConnection] = set()
        self._connecting = trio.Lock()
        self._watching = trio.CancelScope()
        self._failures = 0
        self._away_since = math.inf
        self._retry_at = -math.inf
        self._is_closed = False

    @property
    def idle(self) -> int:
        """Open connections nobody uses."""
        return len(self._idle)

    @property
    def in_use(self) -> int:
        """Connections on loan."""
        return self.options.size - self._free.value

    @property
    def waiting(self) -> int:
        """Tasks that wait for a connection."""
        return self._free.statistics().tasks_waiting

    async def watch(self) -> None:
        """Give up connections whose server fell silent; runs until the pool is closed."""
        patience = self.options.statement_timeout_seconds + _GRACE_SECONDS
        with self._watching:
            while True:
                await trio.sleep(_WATCH_INTERVAL_SECONDS)
                for connection in self._lent:
                    connection.give_up_if_silent(patience)

    async def acquire(self) -> TrioConnection:
        """Borrow a connection; ``give_back`` it, whatever happens.

        Not a checkpoint if one is free: the first statement is.

        Raises:
            PoolExhausted: all were busy until the acquire deadline.
            Unavailable: PostgreSQL could not be reached until then.
        """
        deadline = trio.current_time() + self.options.acquire_timeout_seconds
        try:
            self._free.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_at(deadline) as patience:
                await self._free.acquire()
            if patience.cancelled_caught:
                raise PoolExhausted(f"all {self.options.size} connections were busy") from None
        try:
            connection = self._pop_idle() or await self._connect(deadline)
        except BaseException:
            self._free.release()
            raise
        self._lent.add(connection)
        return connection

    def give_back(self, connection: TrioConnection) -> None:
        """Keep it if it is clean, close it otherwise; never waits."""
        self._lent.discard(connection)
        if self._is_closed or connection.is_doomed or connection.closed or not connection.is_idle:
            self._discard(connection)
        else:
            self._idle.append(connection)
        self._free.release()

    def _pop_idle(self) -> TrioConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and not connection.has_news:
                return connection
            self._discard(connection)
        return None

    def _discard(self, connection: TrioConnection) -> None:
        self.counters.losses += 1
        connection.finish()

    async def _connect(self, deadline: float) -> TrioConnection:
        """Connect; while that fails one task at a time tries, with growing pauses.

        An outage no longer than the acquire timeout is waited out. In a longer one nobody waits:
        a task that comes before the next attempt is due is refused at once.
        """
        timeout = self.options.acquire_timeout_seconds
        error: StorageError | None = None
        with trio.move_on_at(deadline):
            while True:
                now = trio.current_time()
                if now - self._away_since > timeout and (
                    now < self._retry_at or self._connecting.locked()
                ):
                    break
                try:
                    return await self._try_to_connect()
                except Unavailable as failure:
                    error = failure
        retry_after = max(0.1, self._retry_at - trio.current_time())
        raise Unavailable(
            str(error or "PostgreSQL is away"), retry_after_seconds=min(retry_after, 5.0)
        ) from error

    async def _try_to_connect(self) -> TrioConnection:
        async with self._connecting:
            await trio.sleep_until(self._retry_at)
            if (connection := self._pop_idle()) is not None:
                return connection
            try:
                connection = await self.open_connection()
            except Unavailable:
                self._failures += 1
                self._away_since = min(self._away_since, trio.current_time())
                pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._failures)
                self._retry_at = trio.current_time() + pause * random.uniform(0.5, 1.0)
                raise
            self._failures = 0
            self._away_since = math.inf
            self._retry_at = -math.inf
            return connection

    async def open_connection(self) -> TrioConnection:
        """One fresh connection with the session settings every statement relies on."""
        options = self.options
        try:
            connection = await TrioConnection.open(
                options.url,
                timeout_seconds=CONNECT_TIMEOUT_SECONDS,
                application_name=options.application_name,
                **_KEEPALIVE,
            )
        except psycopg.Error as error:
            raise faults.refusal(error) from error
        except trio.TooSlowError as error:
            raise Unavailable("PostgreSQL did not accept a connection in time") from error
        self.counters.connects += 1
        timeout_ms = round(options.statement_timeout_seconds * 1000)
        settings = (
            f"SELECT set_config('statement_timeout', '{timeout_ms}', false),"
            " set_config('TimeZone', 'UTC', false),"
            f" set_config('idle_in_transaction_session_timeout', '{IDLE_IN_TRANSACTION_MS}', false)"
        )
        try:
            reply = await connection.run([Command(settings.encode())])
        except BaseException:
            connection.finish()
            raise
        if reply.lost is not None or connection.closed or not connection.is_idle:
            connection.finish()
            raise Unavailable("PostgreSQL hung up on a new connection") from reply.lost
        # From here on: what it took to connect is nobody's query.
        connection.counters = self.counters
        return connection

    def close(self) -> None:
        """Close what is idle now and the rest as it comes back."""
        self._is_closed = True
        self._watching.cancel()
        while self._idle:
            self._idle.pop().finish()
