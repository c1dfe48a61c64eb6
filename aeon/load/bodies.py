"""The text of a load-test message: it says which message it is and when it was due.

Every message of a run has a number (``key``), unique over all client processes, and the
moment it should have left by the schedule, on the machine's monotonic clock. So any process
that receives it knows what it is and how long it took, without asking the sender.
"""

from __future__ import annotations

from typing import Final, NamedTuple

KEYS_PER_WORKER: Final = 1_000_000_000
_WORD: Final = "load"
_FILLER: Final = "Съешь же ещё этих мягких французских булок, да выпей чаю. "


class Body(NamedTuple):
    """What a text says about itself."""

    key: int
    due_ns: int


def write_body(run: str, key: int, due_ns: int, length: int = 0) -> str:
    """Write a message's text, filled up to ``length`` characters."""
    head = f"{_WORD} {run} {key} {due_ns} "
    missing = length - len(head)
    if missing <= 0:
        return head
    return head + (_FILLER * (missing // len(_FILLER) + 1))[:missing].rstrip()


def read_body(run: str, text: str | None) -> Body | None:
    """Read a message's text; None when it is not one of this run."""
    if not text:
        return None
    words = text.split(" ", 4)
    if len(words) < 4 or words[0] != _WORD or words[1] != run:
        return None
    if not (words[2].isdecimal() and words[3].isdecimal()):
        return None
    return Body(int(words[2]), int(words[3]))


def client_msg_id(run: str, key: int) -> str:
    """Return the key under which a message is sent, and sent again after a lost answer."""
    return f"{run}-{key}"
