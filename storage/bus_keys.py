"""A node's keys in Redis: the sign that it lives, and its sets, which others may read.

Keys expire on Redis' own clock. No node's clock is compared with anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final, Protocol

from coredis.typing import ResponseType

_CHUNK: Final = 1_000
"""Members of a set in one command."""


class Ask(Protocol):
    """Sends one command and gives its answer; raises ``storage.bus.BusAway``."""

    async def __call__(self, command: bytes, *arguments: bytes | str | int) -> ResponseType:
        """Ask."""
        ...


class NodeKeys:
    """What one node keeps, and what it reads of the others. All of it raises as ``Ask``."""

    def __init__(self, ask: Ask, *, namespace: str, node_id: str, expiry_seconds: float) -> None:
        self._ask = ask
        self._namespace = namespace
        self._node_id = node_id
        self._expiry_ms = int(1000 * expiry_seconds)
        self._sets: set[str] = set()

    async def live_nodes(self) -> frozenset[str]:
        """Name the nodes whose sign of life has not expired, and forget the others."""
        answer = await self._ask(b"SMEMBERS", self._key("nodes"))
        assert isinstance(answer, (set, list, tuple))
        known = sorted(as_text(each) for each in answer)
        if not known:
            return frozenset({self._node_id})
        alive = await self._ask(b"MGET", *(self._key("node", node) for node in known))
        assert isinstance(alive, list)
        gone = [node for node, sign in zip(known, alive, strict=True) if sign is None]
        if gone:
            await self._ask(b"SREM", self._key("nodes"), *gone)
        return frozenset(known).difference(gone) | {self._node_id}

    async def add_members(self, name: str, members: Collection[int]) -> None:
        """Add to this node's set."""
        self._sets.add(name)
        key = self._key("set", self._node_id, name)
        for chunk in _chunks(members):
            await self._ask(b"SADD", key, *chunk)
        await self._ask(b"PEXPIRE", key, self._expiry_ms)

    async def remove_members(self, name: str, members: Collection[int]) -> None:
        """Take from this node's set."""
        for chunk in _chunks(members):
            await self._ask(b"SREM", self._key("set", self._node_id, name), *chunk)

    async def replace_members(self, name: str, members: Collection[int]) -> None:
        """Make this node's set anew; whoever reads meanwhile sees all of the old one.

        It stays if anything is refused.
        """
        key = self._key("set", self._node_id, name)
        if not members:
            await self._ask(b"DEL", key)
            return
        self._sets.add(name)
        draft = self._key("draft", self._node_id, name)
        await self._ask(b"DEL", draft)
        for chunk in _chunks(members):
            await self._ask(b"SADD", draft, *chunk)
            await self._ask(b"PEXPIRE", draft, self._expiry_ms)
        await self._ask(b"RENAME", draft, key)

    async def members_of(self, node_id: str, name: str) -> frozenset[int]:
        """Read a node's set; empty when it has expired with its node."""
        answer = await self._ask(b"SMEMBERS", self._key("set", node_id, name))
        assert isinstance(answer, (set, list, tuple))
        return frozenset(int(as_text(each)) for each in answer)

    async def renew(self) -> None:
        """Say that this node lives, and keep its sets for as long."""
        expiry = self._expiry_ms
        await self._ask(b"SET", self._key("node", self._node_id), b"1", b"PX", expiry)
        await self._ask(b"SADD", self._key("nodes"), self._node_id)
        for name in tuple(self._sets):
            await self._ask(b"PEXPIRE", self._key("set", self._node_id, name), expiry)

    async def remove_all(self) -> None:
        """Take this node off the list at once, with its sets."""
        own = [self._key("set", self._node_id, name) for name in self._sets]
        await self._ask(b"DEL", self._key("node", self._node_id), *own)
        await self._ask(b"SREM", self._key("nodes"), self._node_id)

    def _key(self, *parts: str) -> str:
        return ":".join((self._namespace, *parts))


def as_text(value: object) -> str:
    """Read what Redis answers, as bytes or not."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _chunks(members: Collection[int]) -> Iterable[list[int]]:
    rest = iter(members)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
