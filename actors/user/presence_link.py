"""Presence across nodes: keeps the roster's picture of the other nodes, and theirs of this one.

Each node keeps a set of its people in Redis and publishes each change with a number. Others
follow the changes, and read the set when a number is missing, when they connect, and when they
hear of a node for the first time.

Rules of this file:

- The set is written before the change is published. So a set that is read after a change was
  heard contains it, and changes heard while it is read go on top.
- Each sweep says the last number again, so a lost last change is noticed too. Own state that
  Redis has lost (``FLUSHALL``) is noticed and written anew.
- No clock is compared. A node is gone when its sign of life has expired in Redis (8 s) and stayed
  away for ``gone_seconds``: its people go offline 8 + 3 + 12 seconds after a kill at the latest,
  and those who come back to another node meanwhile never do.
- While Redis is away the last known picture stands, nobody is declared gone, and
  ``PresenceStatistics.is_current`` says so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from actors.user.presence import Presence
from storage.bus import Bus, BusAway
from storage.ids import UserId

TOPIC: Final = "presence"
SET_NAME: Final = "online"
MAX_CHANGES: Final = 10_000
"""In one entry of the bus: 80 kB."""

_HEAD: Final = struct.Struct(">Q")
_log = structlog.get_logger(__name__)


def encode_changes(number: int, changes: Mapping[UserId, bool]) -> bytes:
    """Write an entry: its number, then an id for each who came, a negative one for who went."""
    ids = [user_id if is_online else -user_id for user_id, is_online in changes.items()]
    return _HEAD.pack(number) + struct.pack(f">{len(ids)}q", *ids)


def decode_changes(payload: bytes) -> tuple[int, dict[UserId, bool]]:
    """Read an entry.

    Raises:
        struct.error: it is none.
    """
    (number,) = _HEAD.unpack_from(payload)
    count, rest = divmod(len(payload) - _HEAD.size, 8)
    if rest:
        raise struct.error("cut short")
    ids = struct.unpack_from(f">{count}q", payload, _HEAD.size)
    return number, {UserId(abs(one)): one > 0 for one in ids}


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """How often things are looked at."""

    sweep_seconds: float = 3.0
    gone_seconds: float = 12.0
    """How long a node stays away before its people count as offline. The clients of a node that
    stops come back within 11 s (``server_shutdown``), and shall not flicker."""
    sweeps_between_checks: int = 5
    """After so many sweeps the own set is read back."""


@dataclass(slots=True)
class _Node:
    """Another node, as far as it is known."""

    number: int = 0
    is_loaded: bool = False
    is_loading: bool = False
    has_gap: bool = False
    """A number was missing while the set was being read: read it again."""
    heard_meanwhile: dict[UserId, bool] = field(default_factory=dict)
    missed_since: float | None = None


class PresenceLink:
    """Joins this node's presence with the others'. Make it before the bus runs."""

    def __init__(self, bus: Bus, presence: Presence, *, times: LinkTimes | None = None) -> None:
        self._bus = bus
        self._times = times or LinkTimes()
        self._presence = presence
        self._roster = presence.roster
        self._nodes: dict[str, _Node] = {}
        self._to_load: dict[str, None] = {}
        self._has_to_load = trio.Event()
        self._outgoing: dict[UserId, bool] = {}
        self._has_outgoing = trio.Event()
        self._number = 0
        # One writer of the own set at a time.
        self._writing = trio.Lock()
        presence.on_own_change = self._note_own
        presence.is_current = False
        bus.on(TOPIC, self._hear)
        bus.on_connect(self._greet)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Publish, read and sweep until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._publish_changes)
            nursery.start_soon(self._load_nodes)
            nursery.start_soon(self._sweep_for_ever)
            task_status.started()

    # -- what the others learn

    def _note_own(self, user_id: UserId, is_online: bool) -> None:
        self._outgoing[user_id] = is_online
        self._has_outgoing.set()

    async def _publish_changes(self) -> None:
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing = trio.Event()
            try:
                async with self._writing:
                    for changes in self._take_outgoing():
                        await self._write_changes(changes)
            except BusAway:
                pass  # With the next connection, or the next check, everything is written anew.

    def _take_outgoing(self) -> Iterator[dict[UserId, bool]]:
        outgoing, self._outgoing = list(self._outgoing.items()), {}
        for start in range(0, len(outgoing), MAX_CHANGES):
            yield dict(outgoing[start : start + MAX_CHANGES])

    async def _write_changes(self, changes: dict[UserId, bool]) -> None:
        self._number += 1  # Counted first: if anything fails here, the others see a gap.
        number = self._number
        came = [user_id for user_id, is_online in changes.items() if is_online]
        went = [user_id for user_id, is_online in changes.items() if not is_online]
        if came:
            await self._bus.add_members(SET_NAME, came)
        if went:
            await self._bus.remove_members(SET_NAME, went)
        self._bus.publish(TOPIC, encode_changes(number, changes))

    async def _write_anew(self) -> None:
        """Write the whole set; the others notice a gap and read it."""
        self._outgoing = {}
        self._number += 1
        await self._bus.replace_members(SET_NAME, tuple(self._roster.here))
        self._say_number()

    def _say_number(self) -> None:
        self._bus.publish(TOPIC, encode_changes(self._number, {}))

    async def _check_own_set(self) -> None:
        async with self._writing:
            if self._outgoing:
                return  # About to be written; the next check will do.
            expected = frozenset(self._roster.here)
            if await self._bus.members_of(self._bus.node_id, SET_NAME) != expected:
                _log.warning("own_presence_lost_in_redis", people=len(expected))
                await self._write_anew()

    # -- what is learnt of the others

    async def _greet(self) -> None:
        """Connected (again): what was said meanwhile is gone, on both sides."""
        for node in self._nodes.values():
            node.missed_since = None
        async with self._writing:
            await self._write_anew()
        for node_id in await self._bus.live_nodes():
            self._ask_for(node_id)
        self._presence.is_current = True

    def _hear(self, sender: str, payload: bytes) -> None:
        try:
            number, changes = decode_changes(payload)
        except struct.error:
            _log.warning("presence_entry_unreadable")
            return
        node = self._nodes.setdefault(sender, _Node())
        node.missed_since = None
        follows = number == node.number + bool(changes)
        node.number = number
        if node.is_loading:
            node.heard_meanwhile.update(changes)
            node.has_gap = node.has_gap or not follows
        elif node.is_loaded and follows:
            self._presence.note(self._roster.apply(sender, changes.items()))
        else:
            self._ask_for(sender)

    def _ask_for(self, node_id: str) -> None:
        if node_id != self._bus.node_id:
            self._nodes.setdefault(node_id, _Node()).is_loaded = False
            self._to_load[node_id] = None
            self._has_to_load.set()

    async def _load_nodes(self) -> None:
        while True:
            await self._has_to_load.wait()
            self._has_to_load = trio.Event()
            while self._to_load:
                node_id = next(iter(self._to_load))
                del self._to_load[node_id]
                node = self._nodes.get(node_id)
                if node is not None:
                    await self._load(node_id, node)

    async def _load(self, node_id: str, node: _Node) -> None:
        node.is_loading, node.has_gap = True, False
        node.heard_meanwhile.clear()
        try:
            members = await self._bus.members_of(node_id, SET_NAME)
        except BusAway:
            return  # With the next connection every node is read.
        finally:
            node.is_loading = False
        if self._nodes.get(node_id) is not node:
            return  # Declared gone meanwhile.
        present = {UserId(member) for member in members}
        for user_id, is_online in node.heard_meanwhile.items():
            (present.add if is_online else present.discard)(user_id)
        node.heard_meanwhile.clear()
        node.is_loaded = True
        self._presence.note(self._roster.replace(node_id, present))
        if node.has_gap:
            self._ask_for(node_id)

    # -- who is still there

    async def _sweep_for_ever(self) -> None:
        sweeps = 0
        while True:
            await trio.sleep(self._times.sweep_seconds)
            sweeps += 1
            try:
                await self._sweep()
                if sweeps % self._times.sweeps_between_checks == 0:
                    await self._check_own_set()
                # Also without a new connection: Redis may have refused for a while.
                self._presence.is_current = True
            except BusAway:
                self._presence.is_current = False
                for node in self._nodes.values():
                    node.missed_since = None

    async def _sweep(self) -> None:
        live = await self._bus.live_nodes()
        if not self._writing.locked():  # Else the number is about to be said with its changes.
            self._say_number()
        now = trio.current_time()
        for node_id in live - self._nodes.keys():
            self._ask_for(node_id)
        for node_id, node in tuple(self._nodes.items()):
            if node_id in live:
                node.missed_since = None
            elif node.missed_since is None:
                node.missed_since = now
            elif now - node.missed_since >= self._times.gone_seconds:
                self._part_with(node_id, is_first=self._bus.node_id == min(live))

    def _part_with(self, node_id: str, *, is_first: bool) -> None:
        """Take a node's people offline; the first of those left notes that they were seen."""
        del self._nodes[node_id]
        gone = self._roster.replace(node_id, ())
        _log.info("node_gone", node=node_id, people=len(gone))
        self._presence.note(gone, were_seen=is_first)
