"""The relay: a chat's events to the other nodes, and theirs to the chat's actor here.

Rules of this file:

- It decides nothing about order or receivers: what concerns a chat with somebody here is told to
  that chat's own actor, the single owner.
- It keeps nothing for long: what an actor does not take, or a full mailbox refuses, is found
  again by position, from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from actors.chat.ports import ChatMessage, NewsArrived
from actors.cluster.audience import Audience
from actors.cluster.wire import (
    EVENTS,
    PERSONAL,
    TYPING,
    BadEntry,
    RemoteEvent,
    RemotePersonal,
    RemoteTyping,
    decode_event,
    decode_personal,
    decode_typing,
    encode_event,
    encode_personal,
    encode_typing,
    look_up_to,
)
from actors.delivery.fanout import Fanout
from actors.delivery.frame import Frame
from storage.bus import Bus
from storage.ids import ChatId, Seq

MAX_PENDING: Final = 4_096
"""Events that wait for one chat's actor; more are read from the log instead."""
MAX_PENDING_BYTES: Final = 32 * 1024 * 1024
"""Frames that wait for all actors; beyond, events wait without them."""

TellChat = Callable[[ChatId, ChatMessage], bool]


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """Counts since the start."""

    told: int
    """Events handed to the bus."""
    heard: int
    """Events of other nodes that concerned somebody here."""
    passed_by: int
    """Events of other nodes that concerned nobody here."""
    refused: int
    """News a chat's full mailbox did not take; found again by position."""
    damaged: int
    waiting: int
    waiting_bytes: int


class Relay:
    """Between one bus and this node's chat actors."""

    def __init__(self, bus: Bus, audience: Audience, fanout: Fanout, tell: TellChat) -> None:
        self.audience = audience
        self._bus = bus
        self._fanout = fanout
        self._tell = tell
        self._waiting: dict[ChatId, list[RemoteEvent]] = {}
        self._waiting_bytes = 0
        self._told = self._heard = self._passed_by = self._refused = self._damaged = 0
        bus.on(EVENTS, self._hear_event)
        bus.on(TYPING, self._hear_typing)
        bus.on(PERSONAL, self._hear_personal)

    # -- out

    def tell_events(self, events: Iterable[RemoteEvent]) -> None:
        """Tell the other nodes what was committed; never waits. Any of it may be lost."""
        for event in events:
            for entry in encode_event(event):
                self._told += self._bus.publish(EVENTS, entry)

    def tell_typing(self, typing: RemoteTyping) -> None:
        """Tell the other nodes of a typist."""
        self._bus.publish(TYPING, encode_typing(typing))

    def tell_person(self, personal: RemotePersonal) -> None:
        """Tell somebody's connections to other nodes."""
        self._bus.publish(PERSONAL, encode_personal(personal))

    # -- in

    def take(self, chat_id: ChatId) -> list[RemoteEvent]:
        """Give the chat's actor what waits for it, in order of arrival."""
        taken = self._waiting.pop(chat_id, [])
        self._waiting_bytes -= sum(len(event.payload or b"") for event in taken)
        return taken

    def catch_up(self, chat_id: ChatId, seq: Seq) -> None:
        """Have everything up to ``seq`` read from the log and handed out.

        The actor is told even if it was told before and has not taken: it may have given up
        over its start, or been stopped, and its mailbox with what it was told is gone then.
        """
        self._pass_on(look_up_to(chat_id, seq), is_found=True)

    def statistics(self) -> RelayStatistics:
        """Count what went through."""
        return RelayStatistics(
            told=self._told,
            heard=self._heard,
            passed_by=self._passed_by,
            refused=self._refused,
            damaged=self._damaged,
            waiting=sum(len(events) for events in self._waiting.values()),
            waiting_bytes=self._waiting_bytes,
        )

    def _hear_event(self, _sender: str, entry: bytes) -> None:
        try:
            event = decode_event(entry)
        except BadEntry:
            self._damaged += 1
            return
        self.audience.welcome(event.chat_id, Seq(event.seq - 1), event.joining)
        position = self.audience.position(event.chat_id)
        if position is None:
            self._passed_by += 1
            self.audience.pass_by(event.chat_id, event.seq)
            self.take(event.chat_id)
        elif event.seq > position:
            self._heard += 1
            self._pass_on(event)

    def _pass_on(self, event: RemoteEvent, *, is_found: bool = False) -> None:
        waiting = self._waiting.get(event.chat_id)
        if (waiting is None or is_found) and not self._tell(event.chat_id, NewsArrived()):
            self._refused += 1
            return
        if waiting is None:
            waiting = self._waiting[event.chat_id] = []
        size = len(event.payload or b"")
        if self._waiting_bytes + size > MAX_PENDING_BYTES or len(waiting) >= MAX_PENDING:
            newest = max((other.seq for other in waiting), default=event.seq)
            self.take(event.chat_id)
            newest = max(newest, event.seq)
            event, size = look_up_to(event.chat_id, newest), 0
            waiting = self._waiting[event.chat_id] = []
        waiting.append(event)
        self._waiting_bytes += size

    def _hear_typing(self, _sender: str, entry: bytes) -> None:
        try:
            typing = decode_typing(entry)
        except BadEntry:
            self._damaged += 1
            return
        if self.audience.position(typing.chat_id) is not None:
            self._tell(typing.chat_id, typing)

    def _hear_personal(self, _sender: str, entry: bytes) -> None:
        try:
            personal = decode_personal(entry)
        except BadEntry:
            self._damaged += 1
            return
        for session in self._fanout.sessions_of(personal.user_id):
            session.deliver([Frame(personal.payload, personal.chat_id)])
