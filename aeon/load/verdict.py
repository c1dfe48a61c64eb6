"""The verifier: what the clients sent, were told and received, held against the promises.

Pure. The promises: every acked message reaches every member's client exactly once, in the order
of ``seq``; ``seq`` is dense; all clients see the same event at the same ``seq``; a message sent
again under the same key is still one message; a refused message is nobody's message.

A message whose answer never came may have been delivered or not; it is counted, not blamed.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aeon.load.ledger import Ledger
from aeon.load.streams import Stream

MAX_EXAMPLES: Final = 20
FAULTS: Final = (
    "lost",
    "doubled",
    "misordered",
    "conflicting",
    "refused_but_delivered",
    "missing_in_store",
    "cursors_back",
    "before_commit",
)
"""The counts of a ``Verdict`` that must be 0."""


class Outcome(StrEnum):
    """What the sender of a message knows about it."""

    ACKED = "acked"
    UNKNOWN = "unknown"
    """No answer came, or one that says that nobody knows."""
    REFUSED = "refused"
    """The server said that it will not."""


@dataclass(frozen=True, slots=True)
class Send:
    """A message from its sender's point of view."""

    key: int
    chat_id: int
    outcome: Outcome
    seq: int | None = None
    """Where it stands, by the ack; REST does not tell."""
    message_id: int | None = None

    def to_json(self) -> list[object]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return [self.key, self.chat_id, self.outcome.value, self.seq, self.message_id]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Send:
        """Read back what ``to_json`` gave."""
        key, chat_id, outcome, seq, message_id = data
        return cls(key, chat_id, Outcome(outcome), seq, message_id)


@dataclass(slots=True)
class Evidence:
    """All that the clients of a run know."""

    ledger: Ledger = field(default_factory=Ledger)
    sends: list[Send] = field(default_factory=list)
    streams: list[tuple[int, int, Stream]] = field(default_factory=list)
    """(person, chat, what that person's client received of it)."""
    polls: list[tuple[int, int, list[int]]] = field(default_factory=list)
    """(person, chat, ids of its messages in the order in which polling first showed them)."""
    reached: dict[int, int] = field(default_factory=dict)
    """Chat to the newest ``seq`` that any ack named."""

    def merge(self, other: Evidence) -> None:
        """Add another process's."""
        self.ledger.merge(other.ledger)
        self.sends.extend(other.sends)
        self.streams.extend(other.streams)
        self.polls.extend(other.polls)
        for chat_id, seq in other.reached.items():
            self.reached[chat_id] = max(self.reached.get(chat_id, 0), seq)

    def last_seqs(self) -> dict[int, int]:
        """Return how far each chat goes, by anybody's sighting and by the acks."""
        last = dict(self.reached)
        for chat_id in self.ledger.chats:
            last[chat_id] = max(last.get(chat_id, 0), self.ledger.last_seq(chat_id))
        for send in self.sends:
            if send.seq is not None:
                last[send.chat_id] = max(last.get(send.chat_id, 0), send.seq)
        return last

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return {
            "ledger": self.ledger.to_json(),
            "sends": [send.to_json() for send in self.sends],
            "streams": [[user, chat, stream.to_json()] for user, chat, stream in self.streams],
            "polls": self.polls,
            "reached": list(self.reached.items()),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """Read back what ``to_json`` gave."""
        return cls(
            ledger=Ledger.from_json(data["ledger"]),
            sends=[Send.from_json(send) for send in data["sends"]],
            streams=[(user, chat, Stream.from_json(s)) for user, chat, s in data["streams"]],
            polls=[(user, chat, list(ids)) for user, chat, ids in data["polls"]],
            reached=dict(data["reached"]),
        )


@dataclass(slots=True)
class Verdict:
    """How often each promise was broken, and the first examples."""

    lost: int = 0
    """Arrivals that should have been and were not: one per member and event."""
    doubled: int = 0
    """Arrivals that had been before, and messages that stand in a chat twice."""
    misordered: int = 0
    """Arrivals after a later one of the same chat."""
    conflicting: int = 0
    """Sightings or answers that contradict each other."""
    refused_but_delivered: int = 0
    missing_in_store: int = 0
    """Acked or seen, and not in the server's event log or history."""
    cursors_back: int = 0
    """Read cursors that went back, by the event log."""
    before_commit: int = 0
    """Events that arrived before PostgreSQL had them; only looked for where nodes are our own."""
    unacked_but_delivered: int = 0
    """Allowed: the answer was lost, the message was not."""
    unacked: int = 0
    """Allowed: messages whose answer never came."""
    checked_arrivals: int = 0
    """How many arrivals had to be, and were looked at one by one."""
    checked_messages: int = 0
    """How many acked messages were looked at."""
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken."""
        return not any(getattr(self, name) for name in FAULTS)

    def say(self, text: str) -> None:
        """Keep an example, if there is room for one."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(text)

    def add(self, other: Verdict) -> None:
        """Add another verdict's counts and examples."""
        for item in dataclasses.fields(self):
            if item.name == "examples":
                for text in other.examples:
                    self.say(text)
            else:
                setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def to_json(self) -> dict[str, Any]:
        """Return the counts and examples by name."""
        return {"clean": self.is_clean, **dataclasses.asdict(self)}


def judge(evidence: Evidence, *, is_complete: bool = True) -> Verdict:
    """Hold the evidence against the promises.

    Args:
        evidence: What all clients know.
        is_complete: False if the run was broken off, so that what came last may still have been
            under way: then only gaps count as lost, and polls are left out.
    """
    verdict = Verdict()
    last = evidence.last_seqs()
    _judge_ledger(evidence.ledger, verdict)
    _judge_sends(evidence, verdict, is_complete=is_complete)
    for user_id, chat_id, stream in evidence.streams:
        reached = last.get(chat_id, 0) if is_complete else stream.newest
        _judge_stream(user_id, chat_id, stream, reached, verdict)
    if is_complete:
        _judge_polls(evidence, verdict)
    return verdict


def _judge_ledger(ledger: Ledger, verdict: Verdict) -> None:
    for chat_id, seq, one, other in ledger.conflicts:
        verdict.conflicting += 1
        verdict.say(f"chat {chat_id} seq {seq}: seen as {_told(one)} and as {_told(other)}")
    for chat_id, log in ledger.chats.items():
        seqs_by_key: defaultdict[int, list[int]] = defaultdict(list)
        for seq, fact in log.items():
            if fact.kind == "new_message" and fact.key is not None:
                seqs_by_key[fact.key].append(seq)
        for key, seqs in seqs_by_key.items():
            if len(seqs) > 1:
                verdict.doubled += len(seqs) - 1
                verdict.say(f"chat {chat_id}: message {key} stands at seq {sorted(seqs)}")


def _judge_sends(evidence: Evidence, verdict: Verdict, *, is_complete: bool) -> None:
    delivered = {
        fact.key: chat_id
        for chat_id, log in evidence.ledger.chats.items()
        for fact in log.values()
        if fact.kind == "new_message" and fact.key is not None
    }
    watched = {chat_id for _, chat_id, _ in evidence.streams} if is_complete else set()
    taken: dict[tuple[int, int], int] = {}
    for send in evidence.sends:
        match send.outcome:
            case Outcome.ACKED:
                verdict.checked_messages += 1
                _judge_ack(send, evidence.ledger, taken, send.chat_id in watched, verdict)
            case Outcome.UNKNOWN:
                verdict.unacked += 1
                verdict.unacked_but_delivered += send.key in delivered
            case Outcome.REFUSED:
                if send.key in delivered:
                    verdict.refused_but_delivered += 1
                    verdict.say(f"chat {send.chat_id}: message {send.key} was refused, yet came")


def _judge_ack(
    send: Send,
    ledger: Ledger,
    taken: dict[tuple[int, int], int],
    is_watched: bool,
    verdict: Verdict,
) -> None:
    if send.seq is None:
        return
    place = (send.chat_id, send.seq)
    other = taken.setdefault(place, send.key)
    if other != send.key:
        verdict.conflicting += 1
        verdict.say(f"chat {place[0]} seq {place[1]}: acked for messages {other} and {send.key}")
        return
    fact = ledger.chats.get(send.chat_id, {}).get(send.seq)
    if fact is None:
        # Nobody saw it: the streams count each member's loss. Where nobody watches, the
        # event log is asked instead.
        if is_watched:
            verdict.say(f"chat {place[0]} seq {place[1]}: acked, and reached nobody")
        return
    is_it = (
        fact.kind == "new_message"
        and fact.subject == send.message_id
        and fact.key in (send.key, None)
    )
    if not is_it:
        verdict.conflicting += 1
        verdict.say(
            f"chat {place[0]} seq {place[1]}: acked for message {send.key}"
            f" (id {send.message_id}), seen as {_told(fact)}"
        )


def _judge_stream(user_id: int, chat_id: int, stream: Stream, last: int, verdict: Verdict) -> None:
    who = f"person {user_id}, chat {chat_id}"
    verdict.checked_arrivals += max(0, last - stream.baseline)
    lost = stream.lost(last)
    if lost:
        verdict.lost += len(lost)
        verdict.say(f"{who}: {len(lost)} of {last - stream.baseline} lost, seq {_some(lost)}")
    if stream.doubled:
        verdict.doubled += stream.doubled
        verdict.say(f"{who}: {stream.doubled} doubled, first seq {stream.first_double}")
    if stream.misordered:
        verdict.misordered += stream.misordered
        verdict.say(f"{who}: {stream.misordered} misordered, first seq {stream.first_misorder}")


def _judge_polls(evidence: Evidence, verdict: Verdict) -> None:
    """Judge the polling clients; what was deleted need not have been shown."""
    if not evidence.polls:
        return
    deleted = {
        fact.subject
        for log in evidence.ledger.chats.values()
        for fact in log.values()
        if fact.kind == "message_deleted"
    }
    acked: defaultdict[int, list[int]] = defaultdict(list)
    for send in evidence.sends:
        if send.message_id is not None and send.message_id not in deleted:
            acked[send.chat_id].append(send.message_id)
    for user_id, chat_id, seen in evidence.polls:
        verdict.add(judge_poll(user_id, chat_id, seen, acked[chat_id]))


def judge_poll(user_id: int, chat_id: int, seen: Sequence[int], acked: Iterable[int]) -> Verdict:
    """Judge what a polling client saw: message ids in the order it first showed them.

    Args:
        user_id: Who polled.
        chat_id: The chat polled.
        seen: Ids of the messages of this run, as they appeared.
        acked: Ids of the messages that the server acked for this chat.
    """
    verdict = Verdict()
    who = f"person {user_id}, chat {chat_id} by polling"
    awaited = set(acked)
    verdict.checked_arrivals += len(awaited)
    known: set[int] = set()
    newest = 0
    for message_id in seen:
        if message_id in known:
            verdict.doubled += 1
            verdict.say(f"{who}: message {message_id} came twice")
        elif message_id < newest:
            verdict.misordered += 1
            verdict.say(f"{who}: message {message_id} came after {newest}")
        known.add(message_id)
        newest = max(newest, message_id)
    lost = sorted(awaited - known)
    if lost:
        verdict.lost += len(lost)
        verdict.say(f"{who}: {len(lost)} of {len(awaited)} lost, ids {_some(lost)}")
    return verdict


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown}, …"


def _told(fact: tuple[str, int, int | None]) -> str:
    kind, subject, key = fact
    return f"{kind} {subject}" + ("" if key is None else f" (message {key})")
