"""What the clients of a run saw at each ``seq`` of each chat: it must be the same for all.

The first sighting of a ``seq`` is kept and every other one compared with it. A replay shows a
message as it is now, so the key of a message that was deleted meanwhile may be gone; nothing
else may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Fact(NamedTuple):
    """What happened at a ``seq``."""

    kind: str
    """The event's type."""
    subject: int
    """The message or person it is about; 0 if neither."""
    key: int | None = None
    """The number in the message's text; None when the text is gone or was never ours."""

    def agrees_with(self, other: Fact) -> bool:
        """Tell whether both can be sightings of one event."""
        if self.kind != other.kind or self.subject != other.subject:
            return False
        return self.key is None or other.key is None or self.key == other.key


class Conflict(NamedTuple):
    """Two clients saw different events at one ``seq``."""

    chat_id: int
    seq: int
    one: Fact
    other: Fact


def fact_of(event: Mapping[str, Any], key: int | None) -> Fact:
    """Reduce a durable event to what identifies it."""
    message = event.get("message")
    if isinstance(message, Mapping):
        return Fact(event["type"], message["id"], key)
    subject = event.get("message_id") or event.get("user_id") or 0
    return Fact(event["type"], subject)


class Ledger:
    """Sightings of one process, or of all."""

    def __init__(self) -> None:
        self.chats: dict[int, dict[int, Fact]] = {}
        self.conflicts: list[Conflict] = []

    def note(self, chat_id: int, seq: int, fact: Fact) -> None:
        """Take a sighting."""
        log = self.chats.get(chat_id)
        if log is None:
            log = self.chats[chat_id] = {}
        known = log.get(seq)
        if known is None:
            log[seq] = fact
        elif known != fact:
            if not known.agrees_with(fact):
                self.conflicts.append(Conflict(chat_id, seq, known, fact))
            elif known.key is None:
                log[seq] = fact

    def last_seq(self, chat_id: int) -> int:
        """Return the newest ``seq`` anybody saw; 0 if none."""
        return max(self.chats.get(chat_id, {}), default=0)

    def merge(self, other: Ledger) -> None:
        """Add another process's sightings."""
        self.conflicts.extend(other.conflicts)
        for chat_id, log in other.chats.items():
            for seq, fact in log.items():
                self.note(chat_id, seq, fact)

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return {
            "chats": [
                [chat_id, [[seq, *fact] for seq, fact in sorted(log.items())]]
                for chat_id, log in self.chats.items()
            ],
            "conflicts": [[c.chat_id, c.seq, list(c.one), list(c.other)] for c in self.conflicts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ledger:
        """Read back what ``to_json`` gave."""
        ledger = cls()
        for chat_id, log in data["chats"]:
            ledger.chats[chat_id] = {seq: Fact(*fact) for seq, *fact in log}
        ledger.conflicts = [
            Conflict(chat_id, seq, Fact(*one), Fact(*other))
            for chat_id, seq, one, other in data["conflicts"]
        ]
        return ledger
