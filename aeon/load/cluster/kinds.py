"""The names of all faults, as ``--fault`` takes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from aeon.load.faults import UsageFault

KINDS: Final = (
    "node-kill",
    "node-restart",
    "node-hold",
    "redis-restart",
    "redis-hold",
    "redis-flush",
    "redis-full",
    "redis-read-only",
    "redis-mute",
    "bus-weather",
    "bus-cut",
    "bus-hang-up",
    "postgres-restart",
    "postgres-crash",
    "backend-kill",
)


def check_kinds(kinds: Collection[str]) -> None:
    """Check names that somebody typed.

    Raises:
        UsageFault: there is no such fault.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UsageFault(f"--fault {kind}: there is none; there are {', '.join(KINDS)}")
