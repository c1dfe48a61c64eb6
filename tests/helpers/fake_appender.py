"""An in-memory ``EventAppender`` for tests of actors, driven by the same rules.

``tests/contract/test_appenders.py`` runs the same cases against it and the real writer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from actors.chat.decide import decide
from storage.commands import AnyCommand, Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.events import DurableEvent
from storage.facts import BatchFacts, ChatFacts
from storage.ids import ChatId, MessageId, UserId
from storage.records import ChatType
from storage.validity import find_invalid
from tests.helpers.people import person


class FakeAppender:
    """One growing ``BatchFacts``: everything ever appended is one batch that never ends."""

    def __init__(self, people: Iterable[int] = ()) -> None:
        self.facts = BatchFacts(new_message_ids=(MessageId(i) for i in itertools.count(1)))
        self.facts.now = datetime(2026, 11, 23, tzinfo=UTC)
        self.events: list[DurableEvent] = []
        self.appends: list[Sequence[AnyCommand]] = []
        self.errors: list[Exception] = []
        """Raised by the next appends, one each, before anything is decided."""
        for user_id in people:
            self.add_person(user_id)

    def add_person(self, user_id: int) -> None:
        self.facts.users[UserId(user_id)] = person(user_id)

    def pass_time(self, time: timedelta) -> None:
        self.facts.now += time

    async def append(
        self, commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        self.appends.append(commands)
        if self.errors:
            raise self.errors.pop(0)
        return [self._decide(command) for command in commands]

    def _decide(self, command: AnyCommand) -> Outcome:
        reason = find_invalid(command)
        if reason is not None:
            return Rejected(RejectReason.INVALID_DATA, reason)
        facts = self.facts
        chat = facts.chats.get(command.chat_id)
        if chat is None:
            chat = ChatFacts(id=command.chat_id, batch=facts)
        facts.chats[command.chat_id] = chat
        source = getattr(command, "forward_message_id", None)
        facts.readable.clear()
        if source is not None and self._can_read(source, command.actor_id):
            facts.readable.add((source, command.actor_id))
        facts.now += timedelta(milliseconds=1)
        decision = decide(chat, command, facts.now)
        if isinstance(decision, CursorMoved):
            chat.move_cursor(command.actor_id, decision.message_id, decision.read_seq)
        if not isinstance(decision, tuple):
            return decision
        for event in decision:
            chat.apply(event)
        self.events += decision
        return Committed(decision)

    def _can_read(self, message_id: MessageId, user_id: UserId) -> bool:
        message = self.facts.messages.get(message_id)
        if message is None:
            return False
        source = self.facts.chats[message.chat_id]
        return source.chat is not None and source.chat.is_active and user_id in source.members

    def events_of(self, chat_id: ChatId) -> list[DurableEvent]:
        return [event for event in self.events if event.chat_id == chat_id]

    def private_chats(self) -> list[ChatId]:
        return [
            chat.id
            for chat in self.facts.chats.values()
            if chat.chat is not None and chat.chat.type is ChatType.PRIVATE
        ]
