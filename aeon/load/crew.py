"""What the people of one client process share: the plan, the sockets, the notes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
import trio

from aeon.load.bodies import KEYS_PER_WORKER, read_body
from aeon.load.endpoint import Endpoint
from aeon.load.faults import ServerGone
from aeon.load.http import SpreadHttp
from aeon.load.ledger import Fact, fact_of
from aeon.load.measurements import Measurements
from aeon.load.plan import Plan
from aeon.load.poller import Poller
from aeon.load.streams import Stream
from aeon.load.verdict import Evidence, Send

OPENING: Final = "opening."
"""Before the names of what is counted and timed while people connect, before the load."""
_MAX_KNOWN_FRAMES: Final = 4096


def now_ns() -> int:
    """Return the machine's monotonic clock; all processes of a machine share it."""
    return time.perf_counter_ns()


class Sighting(NamedTuple):
    """A durable event, reduced to what a receiver notes of it."""

    chat_id: int
    seq: int
    due_ns: int | None
    """When the message should have left its sender; None for other events."""


class Crew:
    """One client process at work."""

    def __init__(self, plan: Plan, endpoints: Sequence[Endpoint], nursery: trio.Nursery) -> None:
        self.plan = plan
        self.endpoints = endpoints
        """The nodes; a client that loses one goes on to the next."""
        self.nursery = nursery
        """Where tasks live that go on until the run is over."""
        self.poller = Poller()
        self.http = SpreadHttp(endpoints)
        self.measurements = Measurements(now_ns())
        self.evidence = Evidence()
        self.chats_of: dict[int, list[int]] = {}
        """Person to chats, for the people of this process."""
        self._baselines = {chat.chat_id: chat.baseline for chat in plan.chats}
        mine = {person.user_id for person in plan.people}
        for chat in plan.chats:
            for member in mine.intersection(chat.members):
                self.chats_of.setdefault(member, []).append(chat.chat_id)
        self._known_frames: dict[bytes, Sighting] = {}
        self._keys = plan.worker * KEYS_PER_WORKER
        self._prefix = OPENING
        self._answered_ns = now_ns()
        self.is_over = False
        """Set when the run ends: nobody reconnects or sends any more."""

    @property
    def where(self) -> str:
        """Name the server for a message."""
        return " or ".join(endpoint.url for endpoint in self.endpoints)

    def next_key(self) -> int:
        """Return a number for a new message."""
        self._keys += 1
        return self._keys

    def stream_of(self, user_id: int, chat_id: int) -> Stream:
        """Begin the notes about a chat at a person's client."""
        stream = Stream(self._baselines[chat_id])
        self.evidence.streams.append((user_id, chat_id, stream))
        return stream

    def note_seq(self, chat_id: int, seq: int) -> None:
        """Keep that the server acked something at this ``seq``."""
        reached = self.evidence.reached
        reached[chat_id] = max(reached.get(chat_id, 0), seq)

    def note_send(self, send: Send) -> None:
        """Keep what became of a message."""
        self.evidence.sends.append(send)

    def read_frame(self, payload: bytes) -> Sighting | dict[str, Any]:
        """Read a frame: a sighting for a durable event, else the frame itself.

        Every receiver of an event gets the same bytes, so they are parsed once.
        """
        known = self._known_frames.get(payload)
        if known is not None:
            return known
        frame: dict[str, Any] = orjson.loads(payload)
        if "seq" not in frame or frame["type"] == "ack":
            return frame
        sighting = self.read_event(frame)
        if len(self._known_frames) >= _MAX_KNOWN_FRAMES:
            self._known_frames.clear()
        self._known_frames[payload] = sighting
        return sighting

    def read_event(self, event: dict[str, Any]) -> Sighting:
        """Note what a durable event says, and reduce it."""
        body = read_body(self.plan.run, (event.get("message") or {}).get("text"))
        fact: Fact = fact_of(event, body.key if body else None)
        chat_id, seq = event["chat_id"], event["seq"]
        self.evidence.ledger.note(chat_id, seq, fact)
        due_ns = body.due_ns if body and fact.kind == "new_message" else None
        return Sighting(chat_id, seq, due_ns)

    def note_success(self) -> None:
        """Keep that the server answered."""
        self._answered_ns = now_ns()

    def note_failure(self, error: Exception) -> None:
        """Count a request that got no answer.

        Raises:
            ServerGone: nothing was answered for as long as the plan's patience.
        """
        self.count(f"error.connect: {short_reason(error)}")
        silent_seconds = (now_ns() - self._answered_ns) / 1e9
        if silent_seconds >= self.plan.patience_seconds:
            raise ServerGone(
                f"Nothing at {self.where} has answered for {silent_seconds:.0f} s: {error}"
            )

    def start(self, start_ns: int) -> None:
        """Begin to count for the load; what was before is the opening's."""
        self.measurements.started_ns = start_ns
        self._prefix = ""

    def count(self, name: str, times: int = 1) -> None:
        """Count something that happened now."""
        self.measurements.count(self._prefix + name, now_ns(), times)

    def time(self, name: str, since_ns: int) -> None:
        """Record how long something took that is over now."""
        self.measurements.time(self._prefix + name, since_ns, now_ns())


def short_reason(error: Exception) -> str:
    """Name an error for counting: without what differs from one to the next."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)[:80]
