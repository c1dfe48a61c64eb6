"""Turning what a batch changed into rows: a few statements, whatever the batch holds.

Rules of this file:

- Rows are final: a message edited by the batch that sent it is inserted edited, a member who came
  and went leaves no row. Only the log has every step.
- Unique keys of new rows go in in one order (chats by pair, messages by sender and key), so that
  two nodes that race for the same keys wait for each other in one direction only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from storage import write_queries as queries
from storage.event_rows import EVENT_CODES, encode_event
from storage.events import DurableEvent, MessageSent
from storage.facts import BatchFacts, ChatFacts
from storage.ids import ChatId, UserId
from storage.json_rows import dump_ids, dump_rows
from storage.query import Query
from storage.records import MessageRecord

_Statement = tuple[Query, dict[str, object]]
_Row = dict[str, Any]

_MESSAGE_SENT = EVENT_CODES[MessageSent]


def plan_writes(facts: BatchFacts, events: Sequence[DurableEvent]) -> list[_Statement]:
    """The statements that store the events and what they did; empty if nothing changed.

    A cursor that moved silently changes a member without an event.
    """
    members = _member_statements(list(facts.chats.values()))
    if not events:
        return members
    at = facts.now
    changed = [chat for chat in facts.chats.values() if chat.has_changed]
    # A chat that is closed frees its pair for one that is new.
    statements = _chat_statements([chat for chat in changed if not chat.is_new], at)
    new_chats = [chat for chat in changed if chat.is_new]
    if new_chats:
        new_chats.sort(key=lambda chat: (chat.pair or (0, 0), chat.id))
        rows = [_new_chat_row(chat) for chat in new_chats]
        statements.append((queries.INSERT_CHATS, {"new_chats": dump_rows(rows)}))
    statements += members
    statements += _message_statements(facts)
    events_param = dump_rows([_event_row(event) for event in events])
    statements.append((queries.INSERT_EVENTS, {"event_rows": events_param, "at": at}))
    return statements


def _chat_statements(changed: Sequence[ChatFacts], at: datetime) -> list[_Statement]:
    statements: list[_Statement] = []
    params: dict[str, object]
    profiles = [_changed_chat_row(chat) for chat in changed if chat.has_new_profile]
    if profiles:
        params = {"changed_chats": dump_rows(profiles), "changed_ids": _ids(profiles)}
        statements.append((queries.CHANGE_CHATS, params))
    if changed:
        params = {
            "grown_ids": dump_ids(chat.id for chat in changed),
            "last_seqs": dump_ids(chat.last_seq for chat in changed),
            "live_changes": dump_ids(chat.live_messages_change for chat in changed),
            "are_touched": dump_ids(int(chat.updated_at == at) for chat in changed),
            "at": at,
        }
        statements.append((queries.GROW_CHATS, params))
    return statements


def _member_statements(chats: Sequence[ChatFacts]) -> list[_Statement]:
    put: list[_Row] = []
    gone: list[tuple[ChatId, UserId]] = []
    for chat in chats:
        for user_id in chat.changed_members:
            member = chat.members.get(user_id)
            if member is None:
                gone.append((chat.id, user_id))
                continue
            row: _Row = {"chat_id": chat.id, "user_id": user_id}
            row["role"] = member.role
            row["read_seq"] = member.read_seq
            row["read_message_id"] = member.read_message_id
            row["joined_at"] = member.joined_at
            put.append(row)
    statements: list[_Statement] = []
    if put:
        statements.append((queries.PUT_MEMBERS, {"member_rows": dump_rows(put)}))
    if gone:
        params: dict[str, object] = {
            "gone_chat_ids": dump_ids(chat_id for chat_id, _ in gone),
            "gone_ids": dump_ids(user_id for _, user_id in gone),
        }
        statements.append((queries.DELETE_MEMBERS, params))
    return statements


def _message_statements(facts: BatchFacts) -> list[_Statement]:
    statements: list[_Statement] = []
    messages, at = facts.messages, facts.now
    if facts.new_messages:
        rows = [_new_message_row(messages[message_id]) for message_id in facts.new_messages]
        rows.sort(key=_key_order)
        statements.append((queries.INSERT_MESSAGES, {"new_messages": dump_rows(rows), "at": at}))
    changed = facts.changed_messages.difference(facts.new_messages)
    if changed:
        rows = [_changed_message_row(messages[message_id]) for message_id in changed]
        params: dict[str, object] = {
            "changed_messages": dump_rows(rows),
            "changed_ids": _ids(rows),
            "at": at,
        }
        statements.append((queries.CHANGE_MESSAGES, params))
    return statements


def _ids(rows: Sequence[_Row]) -> str:
    return dump_ids(row["id"] for row in rows)


def _key_order(row: _Row) -> tuple[int, str]:
    return row["sender_id"], row.get("client_msg_id", "")


def _new_chat_row(chat: ChatFacts) -> _Row:
    record = chat.record()
    low, high = chat.pair or (None, None)
    return {
        "id": record.id,
        "type": record.type,
        "title": record.title,
        "description": record.description,
        "photo_url": record.photo_url,
        "created_by": record.created_by,
        "owner_id": chat.owner_id,
        "is_active": record.is_active,
        "last_seq": record.last_seq,
        "members_count": record.members_count,
        "live_messages": chat.live_messages_change,
        "pair_low_id": low,
        "pair_high_id": high,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _changed_chat_row(chat: ChatFacts) -> _Row:
    record = chat.record()
    return {
        "id": record.id,
        "type": record.type,
        "title": record.title,
        "description": record.description,
        "photo_url": record.photo_url,
        "owner_id": chat.owner_id,
        "is_active": record.is_active,
        "members_count": record.members_count,
    }


def _new_message_row(message: MessageRecord) -> _Row:
    """A row without what most messages do not have: PostgreSQL reads it in half the time."""
    row: _Row = {
        "chat_id": message.chat_id,
        "id": message.id,
        "seq": message.seq,
        "sender_id": message.sender.id,
        "text": message.text,
        "message_type": message.message_type,
    }
    if message.client_msg_id is not None:
        row["client_msg_id"] = message.client_msg_id
    if message.reply_to_message_id is not None:
        row["reply_to_message_id"] = message.reply_to_message_id
    if message.media is not None:
        row["media_id"] = message.media.id
    if message.forward_from_user_id is not None:
        row["forward_from_user_id"] = message.forward_from_user_id
        row["forward_from_chat_id"] = message.forward_from_chat_id
    if message.updated_at is not None:
        row["updated_at"] = message.updated_at
        row["is_edited"] = message.is_edited
        row["is_deleted"] = message.is_deleted
    return row


def _changed_message_row(message: MessageRecord) -> _Row:
    return {
        "chat_id": message.chat_id,
        "id": message.id,
        "text": message.text,
        "is_edited": message.is_edited,
        "is_deleted": message.is_deleted,
    }


def _event_row(event: DurableEvent) -> _Row:
    if isinstance(event, MessageSent):
        return {
            "chat_id": event.chat_id,
            "seq": event.seq,
            "type": _MESSAGE_SENT,
            "actor_id": event.actor_id,
            "message_id": event.message.id,
        }
    row = encode_event(event)
    return {
        "chat_id": row.chat_id,
        "seq": row.seq,
        "type": row.type,
        "actor_id": row.actor_id,
        "message_id": row.message_id,
        "data": row.data,
    }
