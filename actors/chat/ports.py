"""What a chat actor needs from outside, and the messages it takes beside commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from actors.chat.view import ChatView
from actors.cluster.audience import Audience
from actors.cluster.wire import RemoteEvent, RemotePersonal, RemoteTyping
from actors.delivery.fanout import Fanout
from storage.commands import AnyCommand, EventAppender
from storage.events import DurableEvent
from storage.ids import ChatId, MessageId, Seq, UserId


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events read from the log, in order."""

    events: tuple[DurableEvent, ...]
    has_more: bool
    too_far: bool = False
    """The log no longer reaches back to there (retention); there are no events then."""


class ChatLog(Protocol):
    """Reads that a chat actor makes: its members when it starts, and events it missed."""

    async def load(self, chat_id: ChatId) -> ChatView | None:
        """Load who is in the chat now; None when there is no such chat."""
        ...

    async def read_events(self, chat_id: ChatId, after: Seq) -> EventPage:
        """Read the events that follow ``after``, oldest first, in bounded pages."""
        ...

    async def entries(
        self, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
    ) -> list[tuple[UserId, Seq]]:
        """Find the event with which each of these, members at ``until``, had come in."""
        ...


class EventEncoder(Protocol):
    """Turns events into the bytes of one WebSocket text message each."""

    def durable(self, event: DurableEvent) -> bytes:
        """Encode an event of the log."""
        ...

    def typing(self, chat_id: ChatId, user_id: UserId, *, is_typing: bool) -> bytes:
        """Encode the transient typing event."""
        ...

    def own_cursor(self, chat_id: ChatId, message_id: MessageId, read_seq: Seq) -> bytes:
        """Encode the transient event that tells a person's devices of their silent reading."""
        ...

    def user_status(self, user_id: UserId, *, is_online: bool, last_seen_at: float) -> bytes:
        """Encode the transient presence event; ``last_seen_at`` in Unix seconds."""
        ...


class Cluster(Protocol):
    """The other nodes, as a chat actor sees them; ``actors.cluster.relay``."""

    audience: Audience
    """How far each chat was handed out here, while somebody of it is here."""

    def tell_events(self, events: Iterable[RemoteEvent]) -> None:
        """Tell what was committed; never waits, and any of it may be lost."""
        ...

    def tell_typing(self, typing: RemoteTyping) -> None:
        """Tell of a typist; never waits, may be lost."""
        ...

    def tell_person(self, personal: RemotePersonal) -> None:
        """Send a transient frame to somebody's connections elsewhere; may be lost."""
        ...

    def take(self, chat_id: ChatId) -> list[RemoteEvent]:
        """Give what other nodes told of a chat since the last call."""
        ...


@dataclass(frozen=True, slots=True)
class ChatPorts:
    """The chat actor's world."""

    appender: EventAppender
    log: ChatLog
    encoder: EventEncoder
    fanout: Fanout
    typing_seconds: float = 6.0
    """After the last typing notice the server itself says that it ended."""
    cluster: Cluster | None = None
    """None: this is the only node."""
    interrupted: dict[ChatId, Seq] = field(default_factory=dict)
    """How far chats were handed out whose actor ended before all it had committed, or may have,
    was told and handed out."""


@dataclass(frozen=True, slots=True)
class SetTyping:
    """A member began or stopped typing. Transient: told to the others, never stored."""

    user_id: UserId
    is_typing: bool


@dataclass(frozen=True, slots=True)
class TypingExpired:
    """Timer: nothing was heard of this typist for ``typing_seconds``."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class NewsArrived:
    """Other nodes told something of this chat: ``Cluster.take`` has it."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Timer: a commit of unknown outcome may have taken effect by now."""

    waited_seconds: float


ChatMessage = AnyCommand | SetTyping | TypingExpired | NewsArrived | LookAgain | RemoteTyping
