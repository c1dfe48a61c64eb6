"""A chat actor's picture of its chat: who is in it, and how far its log goes.

It decides who receives a frame. It decides nothing about what may be written: that is done on
the rows themselves (``actors.chat.decide``), so a picture that is late can mislead nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

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
from storage.ids import ChatId, Seq, UserId
from storage.records import ChatType, Role


@dataclass(slots=True)
class ChatView:
    """Members and roles as of ``last_seq``. Owned by one actor."""

    chat_id: ChatId
    type: ChatType
    last_seq: Seq
    is_active: bool = True
    roles: dict[UserId, Role] = field(default_factory=dict)
    _receivers: frozenset[UserId] | None = field(default=None, repr=False)

    @classmethod
    def before(cls, event: DurableEvent) -> ChatView:
        """Picture a chat of which nothing is known yet, ready for ``event``."""
        return cls(chat_id=event.chat_id, type=ChatType.GROUP, last_seq=Seq(event.seq - 1))

    @property
    def receivers(self) -> frozenset[UserId]:
        """Who gets the chat's frames; the same object until membership changes."""
        if self._receivers is None:
            self._receivers = frozenset(self.roles)
        return self._receivers

    def rewind(self, seq: Seq, changes: Sequence[MemberAdded | MemberRemoved]) -> None:
        """Take the members back to ``seq`` by undoing all joins and leaves since, oldest first.

        Roles of those who had left are not known any more; nobody asks for them.
        """
        for event in reversed(changes):
            if isinstance(event, MemberAdded):
                self.roles.pop(event.user.id, None)
            else:
                self.roles.setdefault(event.user_id, Role.MEMBER)
        self.last_seq = seq
        self._receivers = None

    def apply(self, event: DurableEvent, *, is_replayed: bool = False) -> None:
        """Fold the next event in; events come in ``seq`` order without gaps.

        With ``is_replayed`` it was read from the log, which shows the members of today: a
        picture that was taken back knows those of then.
        """
        self.last_seq = event.seq
        if not isinstance(event, MessageSent | MessageEdited | MessageDeleted | MessagesRead):
            self._receivers = None
        match event:
            case ChatCreated() | ChatUpdated():
                self.type = event.chat.type
                self.is_active = event.chat.is_active
                if isinstance(event, ChatCreated) and not is_replayed:
                    self.roles = {member.user.id: member.role for member in event.members}
            case ChatDeleted():
                self.is_active = False
            case MemberAdded():
                self.roles[event.user.id] = event.role
            case MemberRemoved():
                self.roles.pop(event.user_id, None)
            case MemberUpdated():
                self.roles[event.user_id] = event.role
            case MessageSent() | MessageEdited() | MessageDeleted() | MessagesRead():
                pass
            case _:
                assert_never(event)
