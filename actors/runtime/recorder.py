"""The flight recorder: what a kind's actors handled last. Ids and timings, never content."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from actors.runtime.address import Address
from actors.runtime.delivery import Delivery


class FlightOutcome(Enum):
    """How the handling of one message ended."""

    HANDLED = "handled"
    REFUSED = "refused"
    CRASHED = "crashed"
    CUT_OFF = "cut_off"
    """By an operator, or at the end of the shutdown budget."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """One handled message."""

    address: Address
    message_type: str
    trace_id: str | None
    waited_seconds: float
    """From the tell or ask to the handler."""
    handled_seconds: float
    """In the handler; messages of one batch share its time."""
    outcome: FlightOutcome
    seconds_ago: float


_Entry = tuple[Address, str, str | None, float, float, float, FlightOutcome]


class FlightRecorder:
    """A ring of the last messages. Recording is one append."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self._ring: deque[_Entry] = deque(maxlen=capacity)
        self._clock = clock

    def record(
        self,
        address: Address,
        batch: Sequence[Delivery[object]],
        started_at: float,
        ended_at: float,
        outcome: FlightOutcome,
    ) -> None:
        """Note what a handler had in its hands. Atomic."""
        append = self._ring.append
        for one in batch:
            name = type(one.message).__name__
            append((address, name, one.trace_id, one.sent_at, started_at, ended_at, outcome))

    def durations(self, addresses: Collection[Address]) -> dict[Address, list[float]]:
        """Seconds in the handler, per message of these actors that is still remembered."""
        found: dict[Address, list[float]] = {}
        for where, _, _, _, started, ended, _ in self._ring:
            if where in addresses:
                found.setdefault(where, []).append(ended - started)
        return found

    def recent(self, limit: int = 100, address: Address | None = None) -> tuple[FlightRecord, ...]:
        """The last ones, newest first; of one actor if ``address`` is given."""
        now = self._clock()
        records: list[FlightRecord] = []
        for where, name, trace_id, sent, started, ended, outcome in reversed(self._ring):
            if len(records) >= limit:
                break
            if address is None or where == address:
                waited, handled = started - sent, ended - started
                ago = now - ended
                records.append(FlightRecord(where, name, trace_id, waited, handled, outcome, ago))
        return tuple(records)
