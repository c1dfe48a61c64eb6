"""Whose turn it is to accept, when several processes share one listening socket.

The kernel wakes all of them for each connection, and who is woken first takes more: of 300
connections at once, two processes took 198 and 102 (with turns: 145 and 155), and such connections
stay for hours. So each process notes in shared
memory how many it holds, and one that holds clearly more than another lets it go first, for a
moment. A process that is stopped or stuck delays a connection by that moment and gets none; one
that died is marked absent by the supervisor. One socket per process (``SO_REUSEPORT``) would
spread by chance only, and lose or hold up what waits in the queue of a process that is gone.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

import trio

ABSENT: Final = -1
PATIENCE_SECONDS: Final = 0.005
"""How long a fuller process lets the others go first."""
IMPATIENT_QUOTA: Final = 4
"""How many it then accepts all the same, so that a stuck neighbour holds nobody up for long."""
_SLACK: Final = 2
_SLACK_SHARE: Final = 16
_WIDTH: Final = 8


def create_table(slots: int) -> int:
    """Make the shared memory; gives its file descriptor, which whoever closes it last frees."""
    with tempfile.TemporaryFile() as file:
        file.write(ABSENT.to_bytes(_WIDTH, "little", signed=True) * slots)
        file.flush()
        return os.dup(file.fileno())


class Table:
    """The connections that each process holds; any number of processes may look at it."""

    def __init__(self, descriptor: int) -> None:
        # An aligned word is written whole: nobody reads half a number.
        self._counts = memoryview(mmap.mmap(descriptor, 0)).cast("q")

    def note(self, slot: int, count: int) -> None:
        """Say how many connections the process in a slot holds; ``ABSENT``: it accepts none."""
        self._counts[slot] = count

    def count(self, slot: int) -> int:
        """Say how many it holds."""
        return self._counts[slot]

    def fewest(self, *, but: int) -> int | None:
        """Say how many the emptiest other process holds; None without another."""
        others = [
            count for slot, count in enumerate(self._counts) if slot != but and count != ABSENT
        ]
        return min(others, default=None)


class Turns:
    """One process's view of the table."""

    def __init__(self, table: Table, slot: int) -> None:
        self._table = table
        self._slot = slot

    def note(self, count: int) -> None:
        """Say how many connections this process holds."""
        self._table.note(self._slot, count)

    def leave(self) -> None:
        """Accept no more: nobody lets this process go first."""
        self._table.note(self._slot, ABSENT)

    def quota(self) -> int:
        """Say how many connections this process may accept before others; 0: let them."""
        fewest = self._table.fewest(but=self._slot)
        mine = self._table.count(self._slot)
        if fewest is None:
            return IMPATIENT_QUOTA
        slack = _SLACK + fewest // _SLACK_SHARE
        return max(0, fewest + slack - mine)

    async def wait(self) -> int:
        """Wait for the turn, a moment at most; gives how many to accept."""
        if quota := self.quota():
            return quota
        await trio.sleep(PATIENCE_SECONDS)
        return self.quota() or IMPATIENT_QUOTA
