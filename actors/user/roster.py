"""The roster: who is online, here and on the other nodes. A picture in memory, no I/O.

A person is online while at least one node counts them. The other nodes' part is a replica that
``actors.user.presence_link`` keeps; without other nodes it stays empty and costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from storage.ids import UserId


@dataclass(frozen=True, slots=True)
class RosterStatistics:
    """How many people are online."""

    online: int
    """Anywhere."""
    online_here: int
    other_nodes: int
    """Nodes of which anybody is known to be online."""


class Roster:
    """Who is online where; every method says whom it brought online or took offline."""

    def __init__(self) -> None:
        self._here: set[UserId] = set()
        self._elsewhere: dict[str, set[UserId]] = {}
        # How many of the other nodes count a person.
        self._others: dict[UserId, int] = {}

    @property
    def here(self) -> Collection[UserId]:
        """A live view of those who are online on this node."""
        return self._here

    def is_online(self, user_id: UserId) -> bool:
        """Say whether a person has a connection anywhere, or had one within the grace."""
        return user_id in self._here or user_id in self._others

    def set_here(self, user_id: UserId, *, is_online: bool) -> bool:
        """Note a change on this node; gives whether it changed the whole picture."""
        before = self.is_online(user_id)
        if is_online:
            self._here.add(user_id)
        else:
            self._here.discard(user_id)
        return self.is_online(user_id) != before

    def apply(self, node_id: str, changes: Iterable[tuple[UserId, bool]]) -> list[UserId]:
        """Note changes on another node; gives those for whom the whole picture changed."""
        present = self._elsewhere.setdefault(node_id, set())
        changed: list[UserId] = []
        for user_id, is_online in changes:
            if is_online == (user_id in present):
                continue
            before = self.is_online(user_id)
            if is_online:
                present.add(user_id)
                self._others[user_id] = self._others.get(user_id, 0) + 1
            else:
                present.discard(user_id)
                self._one_less(user_id)
            if self.is_online(user_id) != before:
                changed.append(user_id)
        if not present:
            del self._elsewhere[node_id]
        return changed

    def replace(self, node_id: str, present: Collection[UserId]) -> list[UserId]:
        """Take a node's whole part anew; gives those for whom the whole picture changed."""
        now = set(present)
        before = self._elsewhere.get(node_id, set())
        return self.apply(
            node_id,
            [*((one, False) for one in before - now), *((one, True) for one in now - before)],
        )

    def statistics(self) -> RosterStatistics:
        """Count."""
        both = sum(user_id in self._others for user_id in self._here)
        return RosterStatistics(
            online=len(self._here) + len(self._others) - both,
            online_here=len(self._here),
            other_nodes=len(self._elsewhere),
        )

    def _one_less(self, user_id: UserId) -> None:
        left = self._others[user_id] - 1
        if left:
            self._others[user_id] = left
        else:
            del self._others[user_id]
