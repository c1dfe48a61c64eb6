"""Reading what a batch is decided on: one pipelined round trip, whatever the batch holds.

Rules of this file:

- Locks come first, then fresh snapshots read the rest. Order of locks, the same on every node, so
  that none can wait for another in a circle: creators (advisory) by id, then chats by id.
- Each kind of fact is one query for the whole batch, left out when no command needs it. A batch
  of plain messages takes three, and one more where they carry a ``client_msg_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from storage import fact_queries as queries
from storage.commands import (
    AddMember,
    AnyCommand,
    ChangeRole,
    CreateChat,
    DeleteMessage,
    EditMessage,
    MarkRead,
    RemoveMember,
    SendMessage,
    UpdateChat,
)
from storage.facts import BatchFacts, ChatFacts, MemberFact, Pair, RecentChat
from storage.ids import ChatId, MediaId, MessageId, Seq, UserId
from storage.json_rows import dump_ids, dump_rows
from storage.mapping import (
    CHAT_WIDTH,
    ROLES,
    chat_from,
    media_from,
    member_from,
    message_from,
    user_from,
)
from storage.query import Query
from storage.records import ChatType

Rows = Sequence[Sequence[Any]]
Params = dict[str, object]
_Step = tuple[Query, Params, Callable[[BatchFacts, Rows], None]]


class FactReader:
    """Collects what commands need, names the queries, and turns their rows into facts."""

    def __init__(self) -> None:
        self._chat_ids: dict[ChatId, None] = {}
        self._members: set[tuple[ChatId, UserId]] = set()
        self._whole_chats: set[ChatId] = set()
        self._private_chats: set[ChatId] = set()
        self._message_ids: set[MessageId] = set()
        self._client_keys: set[tuple[UserId, str]] = set()
        self._sources: set[tuple[MessageId, UserId]] = set()
        self._user_ids: set[UserId] = set()
        self._media_ids: set[MediaId] = set()
        self._newest_chats: set[ChatId] = set()
        self._pairs: set[Pair] = set()
        self._creators: set[UserId] = set()
        self._window = timedelta()
        self._new_messages = 0

    def need(self, command: AnyCommand) -> None:
        """Remember what deciding this command takes."""
        self._chat_ids[command.chat_id] = None
        self._members.add((command.chat_id, command.actor_id))
        match command:
            case SendMessage():
                self._need_for_sending(command)
            case EditMessage() | DeleteMessage():
                self._message_ids.add(command.message_id)
            case MarkRead():
                if command.message_id is None:
                    self._newest_chats.add(command.chat_id)
                else:
                    self._message_ids.add(command.message_id)
            case CreateChat():
                self._need_for_creating(command)
            case UpdateChat():
                self._whole_chats.add(command.chat_id)
            case AddMember():
                self._members.add((command.chat_id, command.user_id))
                self._user_ids.add(command.user_id)
                self._private_chats.add(command.chat_id)
            case RemoveMember() | ChangeRole():
                self._members.add((command.chat_id, command.user_id))
            case _:
                pass

    def _need_for_sending(self, command: SendMessage) -> None:
        self._new_messages += 1
        if command.client_msg_id is not None:
            self._client_keys.add((command.actor_id, command.client_msg_id))
        if command.reply_to_message_id is not None:
            self._message_ids.add(command.reply_to_message_id)
        if command.forward_message_id is not None:
            self._message_ids.add(command.forward_message_id)
            self._sources.add((command.forward_message_id, command.actor_id))
        elif command.media_id is not None:
            self._media_ids.add(command.media_id)

    def _need_for_creating(self, command: CreateChat) -> None:
        creator = command.actor_id
        self._creators.add(creator)
        self._user_ids.add(creator)
        self._user_ids.update(command.member_ids)
        self._window = max(self._window, command.repeat_window)
        if command.type is ChatType.PRIVATE:
            for other in command.member_ids:
                if other != creator:
                    self._pairs.add((min(creator, other), max(creator, other)))

    def steps(self) -> list[_Step]:
        """What to send, in this order, with what reads the answer of each."""
        steps: list[_Step] = []
        if self._creators:
            creators = dump_rows([{"user_id": user_id} for user_id in sorted(self._creators)])
            steps.append((queries.LOCK_CREATORS, {"creators": creators}, _read_nothing))
        steps += [
            (queries.LOCK_CHATS, {"chat_ids": dump_ids(self._chat_ids)}, self._read_chats),
            (queries.CLOCK_AND_IDS, {"new_messages": self._new_messages}, _read_clock),
            (queries.MEMBERS, self._member_rows(), _read_members),
        ]
        if self._whole_chats or self._private_chats:
            whole: Params = {
                "chat_ids": dump_ids(self._whole_chats | self._private_chats),
                "whole_chats": dump_ids(self._whole_chats),
            }
            steps.append((queries.ALL_MEMBERS, whole, _read_all_members))
        steps += self._message_steps()
        steps += self._chat_steps()
        return steps

    def _message_steps(self) -> list[_Step]:
        steps: list[_Step] = []
        if self._message_ids:
            messages = dump_rows([{"message_id": message_id} for message_id in self._message_ids])
            steps.append((queries.MESSAGES, {"message_rows": messages}, _read_messages))
        if self._client_keys:
            keys = dump_rows(
                [{"sender_id": user, "client_msg_id": key} for user, key in self._client_keys]
            )
            steps.append((queries.SENT, {"client_keys": keys}, _read_sent))
        if self._sources:
            sources = dump_rows(
                [{"message_id": message, "user_id": user} for message, user in self._sources]
            )
            steps.append((queries.READABLE, {"sources": sources}, self._read_readable))
        if self._media_ids:
            media = dump_rows([{"media_id": media_id} for media_id in self._media_ids])
            steps.append((queries.MEDIA, {"media_ids": media}, _read_media))
        if self._newest_chats:
            newest = dump_rows([{"chat_id": chat_id} for chat_id in self._newest_chats])
            steps.append((queries.NEWEST, {"read_chats": newest}, _read_newest))
        return steps

    def _chat_steps(self) -> list[_Step]:
        steps: list[_Step] = []
        if self._user_ids:
            steps.append((queries.USERS, {"user_ids": dump_ids(self._user_ids)}, _read_users))
        if self._pairs:
            pairs = dump_rows([{"low": low, "high": high} for low, high in self._pairs])
            steps.append((queries.PAIRS, {"pairs": pairs}, _read_pairs))
        if self._creators:
            recent: Params = {
                "recent_creators": dump_ids(self._creators),
                "window": self._window,
            }
            steps.append((queries.RECENT, recent, _read_recent))
        return steps

    def _member_rows(self) -> Params:
        return {
            "member_chat_ids": dump_ids(chat_id for chat_id, _ in self._members),
            "member_ids": dump_ids(user_id for _, user_id in self._members),
        }

    def _read_chats(self, facts: BatchFacts, rows: Rows) -> None:
        for row in rows:
            record = chat_from(row)
            owner_id, low, high = row[CHAT_WIDTH:]
            facts.chats[record.id] = ChatFacts(
                id=record.id,
                batch=facts,
                chat=record,
                last_seq=record.last_seq,
                updated_at=record.updated_at,
                owner_id=owner_id,
                pair=None if low is None else (low, high),
            )
        for chat_id in self._chat_ids.keys() - facts.chats.keys():
            facts.chats[chat_id] = ChatFacts(id=chat_id, batch=facts)

    def _read_readable(self, facts: BatchFacts, rows: Rows) -> None:
        facts.sources = self._sources
        facts.readable.update((MessageId(message_id), UserId(user)) for message_id, user in rows)


def read_facts(steps: Sequence[_Step], answers: Sequence[Rows]) -> BatchFacts:
    """What the rows say; ``answers`` as ``steps`` were sent."""
    facts = BatchFacts()
    for (_, _, read), rows in zip(steps, answers, strict=True):
        read(facts, rows)
    return facts


def _read_nothing(facts: BatchFacts, rows: Rows) -> None:
    """A lock has no answer."""


def _read_clock(facts: BatchFacts, rows: Rows) -> None:
    ((facts.now, ids),) = rows
    facts.new_message_ids = iter(ids)


def _read_members(facts: BatchFacts, rows: Rows) -> None:
    for chat_id, user_id, role, read_seq, read_message_id, joined_at in rows:
        facts.chats[chat_id].members[user_id] = MemberFact(
            ROLES[role], read_seq, read_message_id, joined_at
        )


def _read_all_members(facts: BatchFacts, rows: Rows) -> None:
    for row in rows:
        member = member_from(row, 1)
        facts.users[member.user.id] = member.user
        facts.chats[row[0]].members[member.user.id] = MemberFact(
            member.role,
            member.read_seq,
            member.read_message_id,
            member.joined_at,
            member.shows_reading,
        )


def _read_messages(facts: BatchFacts, rows: Rows) -> None:
    for row in rows:
        message = message_from(row)
        assert message is not None, "an inner join"
        facts.messages[message.id] = message


def _read_sent(facts: BatchFacts, rows: Rows) -> None:
    for row in rows:
        message = message_from(row)
        assert message is not None, "an inner join"
        assert message.client_msg_id is not None, "joined by it"
        facts.sent[message.sender.id, message.client_msg_id] = message


def _read_media(facts: BatchFacts, rows: Rows) -> None:
    for row in rows:
        record = media_from(row)
        assert record is not None, "no outer join"
        facts.media[record.id] = record


def _read_newest(facts: BatchFacts, rows: Rows) -> None:
    for chat_id, message_id, seq in rows:
        facts.chats[chat_id].newest_message = (MessageId(message_id), Seq(seq))


def _read_users(facts: BatchFacts, rows: Rows) -> None:
    for row in rows:
        user = user_from(row)
        facts.users[user.id] = user


def _read_pairs(facts: BatchFacts, rows: Rows) -> None:
    for low, high, chat_id in rows:
        facts.pairs[low, high] = chat_id


def _read_recent(facts: BatchFacts, rows: Rows) -> None:
    for creator_id, chat_id, chat_type, title, member_ids, created_at in rows:
        recent = RecentChat(
            id=chat_id,
            type=ChatType(chat_type),
            title=title,
            member_ids=frozenset(member_ids),
            created_at=created_at,
        )
        facts.recent_chats.setdefault(creator_id, []).append(recent)
