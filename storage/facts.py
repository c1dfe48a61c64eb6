"""What a batch of commands is decided on: rows read under the lock, and what the batch changes.

Rules of this file:

- Nothing here reads or writes: ``fact_rows`` fills it, ``actors.chat.decide`` reads it,
  ``apply`` folds each event in, so that a later command of the batch sees the earlier ones, and
  ``write_plan`` turns what changed into rows.
- It belongs to one transaction and dies with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, assert_never

from storage.commands import (
    AlreadyExists,
    AnyCommand,
    CursorMoved,
    Duplicate,
    Rejected,
    Unchanged,
)
from storage.events import (
    ChatCreated,
    ChatDeleted,
    ChatUpdated,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    MessagesRead,
)
from storage.ids import ChatId, MediaId, MessageId, Seq, UserId
from storage.records import (
    ChatRecord,
    ChatType,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    Role,
    UserRecord,
)

_NOTHING_YET: Final = Seq(0)
_BEFORE_ALL_TIME: Final = datetime.min.replace(tzinfo=UTC)

Pair = tuple[UserId, UserId]
"""Two people, the smaller id first."""


@dataclass(slots=True)
class MemberFact:
    """A row of ``members``."""

    role: Role
    read_seq: Seq
    read_message_id: MessageId | None
    joined_at: datetime
    shows_reading: bool = True
    """Known where all members are loaded."""


@dataclass(frozen=True, slots=True)
class RecentChat:
    """A chat made a moment ago in which nothing happened since: maybe a retry means this one."""

    id: ChatId
    type: ChatType
    title: str | None
    member_ids: frozenset[UserId]
    created_at: datetime


@dataclass(slots=True)
class BatchFacts:
    """What all commands of a transaction share, whichever chat they are for."""

    now: datetime = _BEFORE_ALL_TIME
    """PostgreSQL's clock, read while the locks are held: it stamps the events."""
    new_message_ids: Iterator[MessageId] = field(default_factory=lambda: iter(()))
    """Drawn while the locks are held, so they increase with ``seq`` inside a chat."""
    chats: dict[ChatId, ChatFacts] = field(default_factory=dict)
    """Every chat a command names; one that is not there has ``chat`` None."""
    messages: dict[MessageId, MessageRecord] = field(default_factory=dict)
    """Messages that commands name, as they stand now."""
    sent: dict[tuple[UserId, str], MessageRecord] = field(default_factory=dict)
    """Messages by sender and ``client_msg_id``."""
    sources: set[tuple[MessageId, UserId]] = field(default_factory=set)
    """What is to be forwarded by whom."""
    readable: set[tuple[MessageId, UserId]] = field(default_factory=set)
    """Those of them whose (active) chat the user is a member of."""
    users: dict[UserId, UserRecord] = field(default_factory=dict)
    media: dict[MediaId, MediaRecord] = field(default_factory=dict)
    pairs: dict[Pair, ChatId] = field(default_factory=dict)
    """Active private chats of two."""
    recent_chats: dict[UserId, list[RecentChat]] = field(default_factory=dict)
    new_messages: list[MessageId] = field(default_factory=list)
    changed_messages: set[MessageId] = field(default_factory=set)
    """Edited or deleted rows that existed before the batch."""


@dataclass(slots=True)
class ChatFacts:
    """One chat under its lock: the state that ``decide`` looks at."""

    id: ChatId
    batch: BatchFacts
    chat: ChatRecord | None = None
    """Without the batch's ``last_seq`` and ``updated_at``: see ``record``. None: no such chat."""
    last_seq: Seq = _NOTHING_YET
    updated_at: datetime | None = None
    owner_id: UserId | None = None
    pair: Pair | None = None
    members: dict[UserId, MemberFact] = field(default_factory=dict)
    """Those that commands name; all of them where a command needs all."""
    newest_message: tuple[MessageId, Seq] | None = None
    """Loaded where a command reads up to the end."""
    has_changed: bool = False
    is_new: bool = False
    has_new_profile: bool = False
    """More than ``last_seq``, ``updated_at`` and ``live_messages`` changed."""
    live_messages_change: int = 0
    changed_members: set[UserId] = field(default_factory=set)
    """Joined, left, read, or have another role."""

    def record(self) -> ChatRecord:
        """The chat as it stands now."""
        assert self.chat is not None, "asked about a chat that is not there"
        return replace(self.chat, last_seq=self.last_seq, updated_at=self.updated_at)

    def member_records(self) -> tuple[MemberRecord, ...]:
        """All members, first to join first; only where all were loaded."""
        users = self.batch.users
        return tuple(
            MemberRecord(
                user=users[user_id],
                role=member.role,
                joined_at=member.joined_at,
                read_seq=member.read_seq,
                read_message_id=member.read_message_id,
                shows_reading=member.shows_reading,
            )
            for user_id, member in sorted(
                self.members.items(), key=lambda item: (item[1].joined_at, item[0])
            )
        )

    def apply(self, event: DurableEvent) -> None:
        """Fold the chat's next event in, as the transaction will write it."""
        self.last_seq = event.seq
        self.has_changed = True
        match event:
            case MessageSent():
                self._add_message(event)
            case MessageEdited():
                self._change_message(event.message)
            case MessageDeleted():
                self._delete_message(event)
            case MessagesRead():
                self.move_cursor(event.actor_id, event.message_id, event.read_seq)
            case ChatCreated():
                self._create(event)
            case ChatUpdated() | ChatDeleted():
                self._change_profile(event)
            case MemberAdded() | MemberRemoved() | MemberUpdated():
                self._change_member(event)
            case _:
                assert_never(event)

    def _add_message(self, event: MessageSent) -> None:
        message, batch = event.message, self.batch
        batch.messages[message.id] = message
        batch.new_messages.append(message.id)
        if message.client_msg_id is not None:
            batch.sent[message.sender.id, message.client_msg_id] = message
        self.newest_message = (message.id, message.seq)
        self.live_messages_change += 1
        self.updated_at = event.at

    def _change_message(self, message: MessageRecord) -> None:
        batch = self.batch
        batch.messages[message.id] = message
        if message.client_msg_id is not None:
            batch.sent[message.sender.id, message.client_msg_id] = message
        batch.changed_messages.add(message.id)

    def _delete_message(self, event: MessageDeleted) -> None:
        message = self.batch.messages[event.message_id]
        self._change_message(
            replace(message, text=None, media=None, is_deleted=True, updated_at=event.at)
        )
        self.live_messages_change -= 1

    def move_cursor(self, user_id: UserId, message_id: MessageId, read_seq: Seq) -> None:
        """Note how far a member has read; with or without an event that tells of it."""
        member = self.members[user_id]
        member.read_seq = read_seq
        member.read_message_id = message_id
        self.changed_members.add(user_id)

    def _create(self, event: ChatCreated) -> None:
        self.chat = event.chat
        self.is_new = True
        self.owner_id = event.actor_id
        for member in event.members:
            self.members[member.user.id] = MemberFact(
                member.role, member.read_seq, member.read_message_id, member.joined_at
            )
            self.changed_members.add(member.user.id)
        batch = self.batch
        if event.chat.type is ChatType.PRIVATE and len(event.members) == 2:
            low, high = sorted(self.members)
            self.pair = (low, high)
            batch.pairs[self.pair] = self.id
        batch.recent_chats.setdefault(event.actor_id, []).append(
            RecentChat(
                id=self.id,
                type=event.chat.type,
                title=event.chat.title,
                member_ids=frozenset(self.members),
                created_at=event.at,
            )
        )

    def _change_profile(self, event: ChatUpdated | ChatDeleted) -> None:
        self.has_new_profile = True
        self.updated_at = event.at
        if isinstance(event, ChatUpdated):
            self.chat = event.chat
            return
        assert self.chat is not None, "deleted without being there"
        self.chat = replace(self.chat, is_active=False)
        if self.pair is not None:
            self.batch.pairs.pop(self.pair, None)
        self.batch.readable -= self._sources()

    def _change_member(self, event: MemberAdded | MemberRemoved | MemberUpdated) -> None:
        assert self.chat is not None, "members of a chat that is not there"
        self.updated_at = event.at
        match event:
            case MemberAdded():
                user_id = event.user.id
                self.members[user_id] = MemberFact(event.role, event.seq, None, event.at)
                self._count_members(1)
                self.batch.readable |= self._sources(user_id)
            case MemberRemoved():
                user_id = event.user_id
                del self.members[user_id]
                self._count_members(-1)
                self.batch.readable -= self._sources(user_id)
            case MemberUpdated():
                user_id = event.user_id
                self.members[user_id].role = event.role
                if event.role is Role.OWNER:
                    self.owner_id = user_id
                    self.has_new_profile = True
            case _:
                assert_never(event)
        self.changed_members.add(user_id)

    def _sources(self, user_id: UserId | None = None) -> set[tuple[MessageId, UserId]]:
        """Messages of this chat that are to be forwarded, by this user if one is given."""
        messages = self.batch.messages
        return {
            (message_id, user)
            for message_id, user in self.batch.sources
            if user_id in (None, user)
            and message_id in messages
            and messages[message_id].chat_id == self.id
        }

    def _count_members(self, change: int) -> None:
        assert self.chat is not None
        self.chat = replace(self.chat, members_count=self.chat.members_count + change)
        self.has_new_profile = True


Decision = tuple[DurableEvent, ...] | CursorMoved | Rejected | Duplicate | Unchanged | AlreadyExists
"""What a command comes to: events to be written, or an outcome without an event."""

Decide = Callable[[ChatFacts, AnyCommand, datetime], Decision]
"""``actors.chat.decide.decide``: pure, and the only place that knows the rules."""
