"""Who waits for whose answer, so that an ask that would wait for itself is never sent. Pure.

An actor that asks, while it starts, handles or stops, does nothing else until it is answered.
Whoever is asked answers after what it does now. So when a way of such waits leads from the asked
one back to the asker, only a deadline would end them, whoever began and for whose sake.
"""

from __future__ import annotations

from actors.runtime.address import Address
from actors.runtime.delivery import ReplySlot, SlotState


class Waits:
    """The asks of all actors of a system that are not over. Every method is atomic."""

    __slots__ = ("_asks",)

    def __init__(self) -> None:
        self._asks: dict[Address, dict[ReplySlot, Address]] = {}

    def __len__(self) -> int:
        return len(self._asks)

    def begin(self, asker: Address, slot: ReplySlot, asked: Address) -> None:
        """Note that ``asker`` waits for an answer of ``asked``."""
        self._asks.setdefault(asker, {})[slot] = asked

    def end(self, asker: Address, slot: ReplySlot) -> None:
        """Note that it goes on."""
        asks = self._asks[asker]
        del asks[slot]
        if not asks:
            del self._asks[asker]

    def way(self, start: Address, end: Address) -> tuple[Address, ...]:
        """From ``start``, over those each waits for, to ``end``; empty if there is no way."""
        came_from: dict[Address, Address | None] = {start: None}
        to_visit = [start]
        while to_visit:
            here = to_visit.pop()
            if here == end:
                return _back_from(here, came_from)
            for slot, asked in self._asks.get(here, {}).items():
                # Who is answered and had no turn yet to take it waits no more.
                if slot.state is SlotState.OPEN and asked not in came_from:
                    came_from[asked] = here
                    to_visit.append(asked)
        return ()


def _back_from(end: Address, came_from: dict[Address, Address | None]) -> tuple[Address, ...]:
    way = [end]
    while (before := came_from[way[-1]]) is not None:
        way.append(before)
    return tuple(reversed(way))
