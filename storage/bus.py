"""The bus: how the nodes of a deployment tell each other what happened.

Rules of this file:

- The bus is never the truth. What it carries is a hint that something was committed; whoever
  relies on it also looks into PostgreSQL now and then.
- Publishing never waits and never fails loudly: what does not fit, or finds no connection, is
  dropped and counted.
- A node never hears itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

import trio

FAREWELL_SECONDS: Final = 1.0

Handler = Callable[[str, bytes], None]
"""Gets the sender's node id and the payload; quick, never raises for what others send."""

ConnectHook = Callable[[], Awaitable[None]]


class BusAway(Exception):
    """The bus can not be asked right now; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class BusRefused(Exception):
    """The bus will not work with these settings, however often it is tried.

    The text says what to do and holds no password.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class BusStatistics:
    """A snapshot; the counts only grow."""

    is_connected: bool
    is_refused: bool
    published: int
    """Entries that were handed to the other nodes."""
    received: int
    """Entries of other nodes."""
    dropped: int
    """Entries that were not sent: no connection, no room, refused."""
    ignored: int
    """Packets nobody could read: damaged, or of another version of the format."""
    packets_sent: int
    packets_received: int
    connects: int
    waiting: int
    waiting_bytes: int
    last_error: str | None
    """Stable code of what was wrong last; None while nothing was. Kept after it healed."""

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.connects - 1)


class Bus(Protocol):
    """What the nodes of one deployment share beside PostgreSQL."""

    @property
    def node_id(self) -> str:
        """This process among the nodes; new with each start."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether this node can hear the others now, as far as it knows."""
        ...

    @property
    def is_refused(self) -> bool:
        """Whether the bus is there and refuses what this node asks of it.

        Others then do not hear this node, or can not see that it lives and who is here.
        """
        ...

    def publish(self, topic: str, payload: bytes) -> bool:
        """Tell all other nodes; never waits.

        Entries of one node arrive in order, and each at most once. Any may be lost.

        Returns:
            False when the entry was dropped: away, no room, or larger than
            ``bus_packet.MAX_PAYLOAD_BYTES``.
        """
        ...

    def on(self, topic: str, handler: Handler) -> None:
        """Call ``handler`` for each entry of a topic; to be said before ``run``."""
        ...

    def on_connect(self, hook: ConnectHook) -> None:
        """Await ``hook`` after each connect, the first included: what was missed is gone.

        It runs while entries come in and beside the other hooks, and is cancelled when the
        connection is lost. After ``BusAway`` it is awaited again, as long as the connection stands.
        """
        ...

    async def live_nodes(self) -> frozenset[str]:
        """Name the nodes that were alive within the last seconds, this one included.

        Raises:
            BusAway: it can not be known now.
        """
        ...

    async def add_members(self, name: str, members: Collection[int]) -> None:
        """Add to this node's set of that name, which others may read while this node lives.

        Raises:
            BusAway: it is not known whether they were added.
        """
        ...

    async def remove_members(self, name: str, members: Collection[int]) -> None:
        """Take from this node's set. Raises as ``add_members`` does."""
        ...

    async def replace_members(self, name: str, members: Collection[int]) -> None:
        """Make this node's set anew, as after a reconnect. Raises as ``add_members`` does."""
        ...

    async def members_of(self, node_id: str, name: str) -> frozenset[int]:
        """Read a node's set; empty when the node is not alive. Raises as ``live_nodes``."""
        ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, stay connected, reconnect; until cancelled. May be run again after that."""
        ...

    async def farewell(self) -> None:
        """Send what waits and take this node off the list, before ``run`` is cancelled.

        Bounded: gives up after ``FAREWELL_SECONDS``, and at once while away.
        """
        ...

    def statistics(self) -> BusStatistics:
        """Counts since this object was made."""
        ...
