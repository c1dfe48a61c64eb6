"""The name of an actor: what it is and which one."""

from __future__ import annotations

from typing import NamedTuple

Key = int | str
"""Which one of its kind: a row's id, a user name, anything short that can be logged."""


class Address(NamedTuple):
    """Kind and key, printed as ``chat:42``.

    A tuple, because it is hashed and compared on hot paths. Valid for ever: it names an actor
    whether or not one is running.
    """

    kind: str
    key: Key

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"
