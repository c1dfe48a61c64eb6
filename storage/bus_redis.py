"""The bus over Redis or Valkey: publish and subscribe on one channel per deployment.

Rules of this file:

- One connection carries everything and is asked for a sign of life all the time, so a Redis that
  is stopped, partitioned away or gone is noticed within two seconds.
- One PUBLISH is under way at a time; what is published meanwhile waits and goes as one packet.
- Without a connection nothing is kept back: an entry that comes late helps nobody, and the
  receivers look into PostgreSQL anyway.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from coredis.typing import RedisError, ResponseType

from storage import redis_link
from storage.bus import FAREWELL_SECONDS, BusAway, BusStatistics, ConnectHook, Handler
from storage.bus_keys import NodeKeys, as_text
from storage.bus_outgoing import Outgoing
from storage.bus_packet import NODE_ID_BYTES, BadPacket, Entry, decode_packet, encode_packet
from storage.redis_link import RedisAddress, RedisLink
from storage.retrying import Retrying

_PUBLISH: Final = b"PUBLISH"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Deadlines. Silence is noticed after ``ping_seconds + answer_seconds`` at the latest."""

    connect_seconds: float = 2.0
    ping_seconds: float = 0.7
    answer_seconds: float = 1.2
    heartbeat_seconds: float = 2.0
    node_expiry_seconds: float = 8.0
    """A node that was killed counts as alive for this long at most."""
    first_retry_seconds: float = 0.1
    last_retry_seconds: float = 2.0
    well_seconds: float = 5.0
    """A connection that stood this long was well: after it, retries begin at the first again."""


class RedisBus:
    """``storage.bus.Bus`` over Redis.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        namespace: everything in Redis begins with it; the same for all nodes of a deployment
            and for no other.
        options: deadlines.

    Raises:
        ValueError: the URL is not understood.
    """

    def __init__(self, url: str, *, namespace: str, options: RedisOptions | None = None) -> None:
        self._address = RedisAddress.parse(url)
        self._channel = f"{namespace}:bus".encode()
        self._options = options or RedisOptions()
        self._node_id = secrets.token_hex(NODE_ID_BYTES)
        self._handlers: dict[str, list[Handler]] = {}
        self._hooks: list[ConnectHook] = []
        self._outgoing = Outgoing()
        self._has_waiting = trio.Event()
        self._has_sent = trio.Event()
        # What was refused when it was last asked over this connection.
        self._refused: set[object] = set()
        self._is_sending = False
        self._is_leaving = False
        self._connection: RedisLink | None = None
        self._keys = NodeKeys(
            self._ask,
            namespace=namespace,
            node_id=self._node_id,
            expiry_seconds=self._options.node_expiry_seconds,
        )
        self._published = self._received = self._dropped = self._ignored = 0
        self._packets_sent = self._packets_received = self._connects = 0
        self._last_error: str | None = None
        # Of this connection, or since the last one.
        self._told: set[tuple[str, str]] = set()

    @property
    def node_id(self) -> str:
        """See ``Bus``."""
        return self._node_id

    @property
    def is_connected(self) -> bool:
        """See ``Bus``."""
        return self._connection is not None

    @property
    def is_refused(self) -> bool:
        """See ``Bus``."""
        return bool(self._refused)

    def publish(self, topic: str, payload: bytes) -> bool:
        """See ``Bus``."""
        if self._connection is None or not self._outgoing.offer(topic, payload):
            self._dropped += 1
            return False
        self._has_waiting.set()
        return True

    def on(self, topic: str, handler: Handler) -> None:
        """See ``Bus``."""
        self._handlers.setdefault(topic, []).append(handler)

    def on_connect(self, hook: ConnectHook) -> None:
        """See ``Bus``."""
        self._hooks.append(hook)

    def statistics(self) -> BusStatistics:
        """See ``Bus``."""
        return BusStatistics(
            is_connected=self.is_connected,
            is_refused=self.is_refused,
            published=self._published,
            received=self._received,
            dropped=self._dropped,
            ignored=self._ignored,
            packets_sent=self._packets_sent,
            packets_received=self._packets_received,
            connects=self._connects,
            waiting=len(self._outgoing),
            waiting_bytes=self._outgoing.waiting_bytes,
            last_error=self._last_error,
        )

    async def check(self) -> None:
        """Connect once and hang up. A Redis that is merely away passes: it may come back.

        Raises:
            BusRefused: no waiting will mend it; the text says what to change.
        """
        try:
            async with trio.open_nursery() as nursery:
                await self._connect(nursery)
                nursery.cancel_scope.cancel(reason="checked")
        except* (RedisError, OSError, BusAway) as error:
            refusal = redis_link.fatal(redis_link.first_code(error))
            if refusal is not None:
                raise refusal from None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See ``Bus``. Counts as started after the first attempt, whether it worked or not."""
        is_started = self._is_leaving = False
        retrying = Retrying(
            first_seconds=self._options.first_retry_seconds,
            last_seconds=self._options.last_retry_seconds,
            well_seconds=self._options.well_seconds,
        )
        while True:
            connected_at = math.inf
            try:
                async with trio.open_nursery() as nursery:
                    connection = await self._connect(nursery)
                    await self._subscribe(connection)
                    self._note_connected(connection)
                    connected_at = trio.current_time()
                    if not is_started:
                        task_status.started()
                        is_started = True
                    self._serve(connection, nursery)
            except* (RedisError, OSError, BusAway) as error:
                # Told to stop while it connected, coredis says that the attempt failed.
                if trio.current_effective_deadline() > -math.inf:
                    self._note_trouble("redis_away", redis_link.first_code(error))
            finally:
                self._connection = None
                self._refused.clear()
                self._note_sent()
                self._dropped += self._outgoing.clear()
            if not is_started:
                task_status.started()
                is_started = True
            await trio.sleep(retrying.pause(max(0.0, trio.current_time() - connected_at)))

    async def live_nodes(self) -> frozenset[str]:
        """See ``Bus``."""
        return await self._keys.live_nodes()

    async def add_members(self, name: str, members: Collection[int]) -> None:
        """See ``Bus``."""
        await self._keys.add_members(name, members)

    async def remove_members(self, name: str, members: Collection[int]) -> None:
        """See ``Bus``."""
        await self._keys.remove_members(name, members)

    async def replace_members(self, name: str, members: Collection[int]) -> None:
        """See ``Bus``."""
        await self._keys.replace_members(name, members)

    async def members_of(self, node_id: str, name: str) -> frozenset[int]:
        """See ``Bus``."""
        return await self._keys.members_of(node_id, name)

    async def farewell(self) -> None:
        """See ``Bus``."""
        self._is_leaving = True
        with trio.move_on_after(FAREWELL_SECONDS):
            while self.is_connected and (self._outgoing or self._is_sending):
                await self._has_sent.wait()
            with suppress(BusAway):
                await self._keys.remove_all()

    # -- one connection's life

    async def _connect(self, nursery: trio.Nursery) -> RedisLink:
        link: RedisLink | None = None
        with trio.move_on_after(self._options.connect_seconds):
            link = await self._address.open()
            await nursery.start(self._hold, link)
            await link.refuse_clusters()
        if link is None and self._address.tls is not None:
            raise BusAway(redis_link.TLS_SILENT)
        if link is None or not link.usable:
            raise BusAway(redis_link.SILENT)
        return link

    async def _hold(self, connection: RedisLink, *, task_status: trio.TaskStatus[None]) -> None:
        """Run the connection; its end is the end of everything that uses it."""
        try:
            await connection.run(task_status=task_status)
        except (AssertionError, ValueError, TypeError, KeyError) as error:
            raise BusAway(redis_link.fault_code(error)) from error
        raise BusAway(redis_link.LOST)

    async def _subscribe(self, connection: RedisLink) -> None:
        """Wait until the subscription stands: what comes before is not heard."""
        connection.send_command(b"SUBSCRIBE", self._channel)
        with trio.move_on_after(self._options.answer_seconds):
            async with aclosing(connection.push_messages) as messages:
                async for message in messages:
                    if as_text(message[0]) == "subscribe":
                        return
        with trio.move_on_after(0):
            # A refusal belongs to no request of ours.
            async with aclosing(connection.streamed_messages) as answers:
                async for answer in answers:
                    if isinstance(answer, BaseException):
                        raise BusAway(redis_link.fault_code(answer))
        raise BusAway(redis_link.SILENT)

    def _serve(self, connection: RedisLink, nursery: trio.Nursery) -> None:
        nursery.start_soon(self._hear, connection)
        nursery.start_soon(self._ask_for_life, connection)
        nursery.start_soon(self._send, connection)
        nursery.start_soon(self._stay_known)
        for hook in self._hooks:
            nursery.start_soon(self._greet, hook)

    async def _hear(self, connection: RedisLink) -> None:
        async with aclosing(connection.push_messages) as messages:
            async for first in messages:
                for message in (first, *connection.pushes_so_far()):
                    if as_text(message[0]) == "message" and isinstance(message[2], bytes):
                        self._take(message[2])

    def _take(self, packet: bytes) -> None:
        try:
            sender, entries = decode_packet(packet)
        except BadPacket:
            self._ignored += 1
            return
        if sender == self._node_id:
            return
        self._packets_received += 1
        self._received += len(entries)
        for topic, payload in entries:
            for handler in self._handlers.get(topic, ()):
                handler(sender, payload)

    async def _ask_for_life(self, connection: RedisLink) -> None:
        while True:
            with trio.move_on_after(self._options.answer_seconds) as patience:
                # A refusal is an answer: it loads, can not save, is a replica on its own.
                await self._is_done(connection, b"PING")
            if patience.cancelled_caught:
                raise BusAway(redis_link.SILENT)
            await trio.sleep(self._options.ping_seconds)

    async def _send(self, connection: RedisLink) -> None:
        # An empty packet tells nothing, but whether others would hear it.
        await self._send_packet(connection, [])
        while True:
            is_muted = _PUBLISH in self._refused
            patience_seconds = self._options.heartbeat_seconds if is_muted else math.inf
            with trio.move_on_after(patience_seconds) as patience:
                await self._has_waiting.wait()
            entries = self._outgoing.take()
            if entries or patience.cancelled_caught:
                await self._send_packet(connection, entries)
            else:
                self._has_waiting = trio.Event()

    async def _send_packet(self, connection: RedisLink, entries: list[Entry]) -> None:
        packet = encode_packet(self._node_id, entries)
        is_sent = False
        self._is_sending = True
        try:
            is_sent = await self._is_done(connection, _PUBLISH, self._channel, packet)
            self._note_answer(_PUBLISH, is_granted=is_sent)
        finally:
            if is_sent:
                self._packets_sent += 1
                self._published += len(entries)
            else:
                self._dropped += len(entries)
            self._note_sent()

    def _note_sent(self) -> None:
        self._is_sending = False
        sent, self._has_sent = self._has_sent, trio.Event()
        sent.set()

    async def _is_done(self, connection: RedisLink, command: bytes, *arguments: bytes) -> bool:
        """Ask for something; False: it was refused, which is told, and the connection stands."""
        try:
            await connection.create_request(command, *arguments)
        except RedisError as error:
            if not connection.usable:
                raise
            self._note_trouble("redis_refuses", redis_link.fault_code(error))
            return False
        return True

    async def _stay_known(self) -> None:
        """Renew what says that this node lives; a refusal is told, and tried again."""
        while not self._is_leaving:
            await self._is_granted(self._keys.renew)
            await trio.sleep(self._options.heartbeat_seconds)

    async def _greet(self, hook: ConnectHook) -> None:
        while True:
            if await self._is_granted(hook):
                return
            await trio.sleep(self._options.heartbeat_seconds)

    async def _is_granted(self, ask: Callable[[], Awaitable[None]]) -> bool:
        """Do what asks something; False: it could not. A lost connection is others' to notice."""
        try:
            await ask()
        except BusAway as error:
            if self._connection is not None and self._connection.usable:
                self._note_answer(ask, is_granted=False)
                self._note_trouble("redis_refuses", error.code)
            return False
        self._note_answer(ask, is_granted=True)
        return True

    async def _ask(self, command: bytes, *arguments: bytes | str | int) -> ResponseType:
        connection = self._connection
        if connection is None or not connection.usable:
            raise BusAway(self._last_error or redis_link.UNREACHABLE)
        with trio.move_on_after(2 * self._options.answer_seconds):
            try:
                return await connection.create_request(command, *arguments)
            except RedisError as error:
                raise BusAway(redis_link.fault_code(error)) from None
        raise BusAway(redis_link.SILENT)

    # -- what is said about it

    def _note_connected(self, connection: RedisLink) -> None:
        self._connection = connection
        self._connects += 1
        self._told.clear()
        _log.info("redis_connected", connects=self._connects)

    def _note_answer(self, asked: object, *, is_granted: bool) -> None:
        if is_granted:
            self._refused.discard(asked)
        else:
            self._refused.add(asked)

    def _note_trouble(self, event: str, code: str) -> None:
        self._last_error = code
        # The same trouble every second is said once.
        if (event, code) not in self._told:
            self._told.add((event, code))
            _log.warning(event, code=code)
