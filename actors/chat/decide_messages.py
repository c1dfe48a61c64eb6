"""Rules of messages: send, forward, edit, delete, read. Guards of ``decide`` have passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from storage.commands import (
    CursorMoved,
    DeleteMessage,
    Duplicate,
    EditMessage,
    MarkRead,
    Rejected,
    RejectReason,
    SendMessage,
    Unchanged,
)
from storage.events import MessageDeleted, MessageEdited, MessageSent, MessagesRead
from storage.facts import ChatFacts, Decision
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import ChatType, MediaRecord, MessageRecord, Role
from storage.tables import CAPTION_MAX_CHARACTERS

TEXT_NEEDED: Final = "a message needs text"
CAPTION_TOO_LONG: Final = f"text with a file holds up to {CAPTION_MAX_CHARACTERS} characters"

_Content = tuple[str | None, str, MediaRecord | None, UserId | None, ChatId | None]
"""Text, type, media, and whose words from where if it is a forward."""


def find_duplicate(state: ChatFacts, command: SendMessage) -> Duplicate | None:
    """The first message with this sender's key in this chat, whatever happened since."""
    if command.client_msg_id is None:
        return None
    first = state.batch.sent.get((command.actor_id, command.client_msg_id))
    if first is None or first.chat_id != state.id:
        return None
    return Duplicate(
        MessageSent(
            chat_id=first.chat_id,
            seq=first.seq,
            actor_id=first.sender.id,
            at=first.created_at,
            message=first,
        )
    )


def send_message(state: ChatFacts, command: SendMessage, now: datetime) -> Decision:
    """Append a message of one's own or a forwarded copy."""
    key = command.client_msg_id
    if key is not None and (command.actor_id, key) in state.batch.sent:
        return Rejected(RejectReason.CLIENT_MSG_ID_REUSED)
    chat = state.chat
    assert chat is not None, "guarded by decide"
    if chat.type is ChatType.CHANNEL and state.members[command.actor_id].role is Role.MEMBER:
        return Rejected(RejectReason.NOT_ALLOWED, "only the owner and admins post in a channel")
    if command.reply_to_message_id is not None:
        target = _message(state, command.reply_to_message_id)
        if target is None or target.is_deleted:
            return Rejected(RejectReason.REPLY_NOT_FOUND)
    content = _content(state, command)
    if isinstance(content, Rejected):
        return content
    text, message_type, media, from_user_id, from_chat_id = content
    seq = Seq(state.last_seq + 1)
    message = MessageRecord(
        id=next(state.batch.new_message_ids),
        chat_id=state.id,
        seq=seq,
        sender=command.sender,
        text=text,
        message_type=message_type,
        reply_to_message_id=command.reply_to_message_id,
        media=media,
        forward_from_user_id=from_user_id,
        forward_from_chat_id=from_chat_id,
        client_msg_id=key,
        is_edited=False,
        is_deleted=False,
        created_at=now,
        updated_at=None,
    )
    return (
        MessageSent(chat_id=state.id, seq=seq, actor_id=command.actor_id, at=now, message=message),
    )


def edit_message(state: ChatFacts, command: EditMessage, now: datetime) -> Decision:
    """Change the text of one's own message; blank text takes a file's caption away."""
    message = _message(state, command.message_id)
    if message is None or message.is_deleted or message.sender.id != command.actor_id:
        return Rejected(RejectReason.MESSAGE_NOT_FOUND)
    if message.forward_from_user_id is not None:
        return Rejected(RejectReason.NOT_ALLOWED, "a forwarded message can not be edited")
    if message.media is not None and len(command.text) > CAPTION_MAX_CHARACTERS:
        return Rejected(RejectReason.INVALID_DATA, CAPTION_TOO_LONG)
    text = command.text if command.text.strip() else None
    if text is None and message.media is None:
        return Rejected(RejectReason.INVALID_DATA, TEXT_NEEDED)
    window = command.edit_window
    if window is not None and now - message.created_at > window:
        return Rejected(RejectReason.EDIT_WINDOW_PASSED)
    return (
        MessageEdited(
            chat_id=state.id,
            seq=Seq(state.last_seq + 1),
            actor_id=command.actor_id,
            at=now,
            message=replace(message, text=text, is_edited=True, updated_at=now),
        ),
    )


def delete_message(state: ChatFacts, command: DeleteMessage, now: datetime) -> Decision:
    """Take a message back for all."""
    message = _message(state, command.message_id)
    if message is None or message.is_deleted:
        return Rejected(RejectReason.MESSAGE_NOT_FOUND)
    role = state.members[command.actor_id].role
    if message.sender.id != command.actor_id and role is Role.MEMBER:
        return Rejected(RejectReason.MESSAGE_NOT_FOUND)
    return (
        MessageDeleted(
            chat_id=state.id,
            seq=Seq(state.last_seq + 1),
            actor_id=command.actor_id,
            at=now,
            message_id=message.id,
        ),
    )


def mark_read(state: ChatFacts, command: MarkRead, now: datetime) -> Decision:
    """Move one's read cursor forward; it never moves back."""
    if command.message_id is None:
        if state.newest_message is None:
            return Unchanged()
        message_id, read_seq = state.newest_message
    else:
        # A message that was deleted meanwhile still marks a place in the chat.
        message = _message(state, command.message_id)
        if message is None:
            return Rejected(RejectReason.MESSAGE_NOT_FOUND)
        message_id, read_seq = message.id, message.seq
    if state.members[command.actor_id].read_seq >= read_seq:
        return Unchanged()
    if command.is_silent:
        return CursorMoved(message_id, read_seq)
    return (
        MessagesRead(
            chat_id=state.id,
            seq=Seq(state.last_seq + 1),
            actor_id=command.actor_id,
            at=now,
            message_id=message_id,
            read_seq=read_seq,
        ),
    )


def _content(state: ChatFacts, command: SendMessage) -> _Content | Rejected:
    if command.forward_message_id is not None:
        return _forwarded_content(state, command.forward_message_id, command.actor_id)
    if command.media_id is None:
        return command.text, command.message_type, None, None, None
    media = state.batch.media.get(command.media_id)
    if media is None or media.uploader_id != command.actor_id:
        return Rejected(RejectReason.MEDIA_NOT_FOUND)
    return command.text, media.message_type, media, None, None


def _forwarded_content(
    state: ChatFacts, source_id: MessageId, actor_id: UserId
) -> _Content | Rejected:
    source = state.batch.messages.get(source_id)
    if source is None:
        return Rejected(RejectReason.MESSAGE_NOT_FOUND)
    if (source_id, actor_id) not in state.batch.readable:
        return Rejected(RejectReason.NOT_A_MEMBER)
    if source.is_deleted:
        return Rejected(RejectReason.MESSAGE_NOT_FOUND)
    if source.forward_from_user_id is None:
        return source.text, source.message_type, source.media, source.sender.id, source.chat_id
    # A copy of a copy still names who wrote it.
    return (
        source.text,
        source.message_type,
        source.media,
        source.forward_from_user_id,
        source.forward_from_chat_id,
    )


def _message(state: ChatFacts, message_id: MessageId) -> MessageRecord | None:
    message = state.batch.messages.get(message_id)
    return message if message is not None and message.chat_id == state.id else None
