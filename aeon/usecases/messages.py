"""Send, edit, delete, forward, read: what people do with messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from actors.chat.decide_messages import CAPTION_TOO_LONG, TEXT_NEEDED
from actors.chat.errors import ChatRefused
from aeon.auth.principal import Principal
from aeon.errors import EdgeError, FieldFault, InvalidInput
from aeon.services import Services
from aeon.usecases.asking import Answer, ask_chat
from aeon.wire.requests import ForwardMessageInput, SendMessageInput
from storage import chats, media, one_message
from storage.commands import (
    Committed,
    DeleteMessage,
    Duplicate,
    EditMessage,
    MarkRead,
    RejectReason,
    SendMessage,
)
from storage.events import MessageEdited, MessageSent
from storage.ids import ChatId, MediaId, MessageId, Seq
from storage.records import MessageRecord


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that is stored; ``is_duplicate``: it was before, nothing was written now."""

    message: MessageRecord
    is_duplicate: bool

    @property
    def seq(self) -> Seq:
        """Position of the message's event in its chat's log."""
        return self.message.seq


@dataclass(frozen=True, slots=True)
class EditedMessage:
    """A message with its new text."""

    message: MessageRecord
    seq: Seq
    """Of the edit's event."""


@dataclass(frozen=True, slots=True)
class ReadMark:
    """How far a person has read a chat."""

    chat_id: ChatId
    seq: Seq
    """Of the read mark's event; of the chat's newest event when there is none."""
    unread_count: int
    newly_read: int
    """Others' messages that this mark took off the count."""


async def send_message(
    services: Services, principal: Principal, wanted: SendMessageInput
) -> SentMessage:
    """Send a message, or find the one that was sent with the same ``client_msg_id``."""
    command = SendMessage(
        chat_id=ChatId(wanted.chat_id),
        actor_id=principal.user_id,
        sender=principal.user,
        text=wanted.text,
        message_type=wanted.message_type,
        reply_to_message_id=_message_id(wanted.reply_to_message_id),
        media_id=None if wanted.media_id is None else MediaId(wanted.media_id),
        client_msg_id=wanted.client_msg_id,
    )
    return _sent(await ask_chat(services, command))


async def forward_message(
    services: Services, principal: Principal, wanted: ForwardMessageInput
) -> SentMessage:
    """Copy a message that the person can see into another of their chats."""
    command = SendMessage(
        chat_id=ChatId(wanted.chat_id),
        actor_id=principal.user_id,
        sender=principal.user,
        text=None,
        client_msg_id=wanted.client_msg_id,
        forward_message_id=MessageId(wanted.message_id),
    )
    try:
        return _sent(await ask_chat(services, command))
    except ChatRefused as refusal:
        if refusal.reason is not RejectReason.NOT_A_MEMBER:
            raise
        # Of the source or of the target? A source one can not see does not exist for one.
        await locate(services, principal, MessageId(wanted.message_id))
        raise


async def edit_message(
    services: Services, principal: Principal, message_id: MessageId, text: str
) -> EditedMessage:
    """Change the text of one's own message, within the window; a file may go without."""
    chat_id = await locate(services, principal, message_id)
    hours = services.settings.edit_window_hours
    command = EditMessage(
        chat_id=chat_id,
        actor_id=principal.user_id,
        message_id=message_id,
        text=text,
        edit_window=timedelta(hours=hours) if hours else None,
    )
    try:
        answer = await ask_chat(services, command)
    except ChatRefused as refusal:
        if refusal.message == CAPTION_TOO_LONG:
            fault = FieldFault("text", CAPTION_TOO_LONG, "message_too_long")
            raise InvalidInput([fault]) from None
        if refusal.message == TEXT_NEEDED:
            raise InvalidInput([FieldFault("text", TEXT_NEEDED)]) from None
        raise
    if isinstance(answer, Committed):
        event = answer.event
        assert isinstance(event, MessageEdited)
        return EditedMessage(event.message, event.seq)
    return EditedMessage(*await _message_and_position(services, principal, message_id))


async def read_own_message(
    services: Services, principal: Principal, message_id: MessageId
) -> EditedMessage:
    """Give one's own message as it is: an edit that changes nothing."""
    message, seq = await _message_and_position(services, principal, message_id)
    if message.sender.id != principal.user_id or message.is_deleted:
        raise EdgeError("message_not_found")
    return EditedMessage(message, seq)


async def delete_message(services: Services, principal: Principal, message_id: MessageId) -> Seq:
    """Delete a message for all: one's own, or as owner or admin of the chat.

    Returns:
        Where in the chat's log the deletion stands.
    """
    chat_id = await locate(services, principal, message_id)
    async with services.database.connection() as conn:
        media_id = await media.media_of_message(conn, message_id)
    command = DeleteMessage(chat_id=chat_id, actor_id=principal.user_id, message_id=message_id)
    answer = await ask_chat(services, command)
    assert isinstance(answer, Committed)
    if media_id is not None:
        services.media.release(media_id)
    return answer.event.seq


async def mark_read(
    services: Services,
    principal: Principal,
    chat_id: ChatId,
    message_id: MessageId | None = None,
) -> ReadMark:
    """Move one's read cursor up to a message of the chat, or over everything. Never back.

    Who does not show read receipts reads silently: no event, nothing for others to see.
    """
    async with services.database.connection() as conn:
        before = await chats.get_read_state(conn, chat_id, principal.user_id)
    if before is None:
        raise EdgeError("not_a_member")
    command = MarkRead(
        chat_id=chat_id,
        actor_id=principal.user_id,
        message_id=message_id,
        is_silent=not before.shows_reading,
    )
    answer = await ask_chat(services, command)
    async with services.database.connection() as conn:
        after = await chats.count_unread(conn, chat_id, principal.user_id)
        if isinstance(answer, Committed):
            seq: Seq | None = answer.event.seq
        else:
            seq = await chats.get_position(conn, chat_id, principal.user_id)
    if after is None or seq is None:
        raise EdgeError("not_a_member")
    return ReadMark(chat_id, seq, after, max(0, before.unread_count - after))


async def mark_message_read(
    services: Services, principal: Principal, message_id: MessageId
) -> ReadMark:
    """Move one's read cursor up to a message, wherever it is."""
    chat_id = await locate(services, principal, message_id)
    return await mark_read(services, principal, chat_id, message_id)


async def locate(services: Services, principal: Principal, message_id: MessageId) -> ChatId:
    """Find the chat of a message the person can see.

    Raises:
        EdgeError: ``message_not_found``, whether it exists elsewhere or not.
    """
    async with services.database.connection() as conn:
        chat_id = await one_message.locate_message(conn, message_id, principal.user_id)
    if chat_id is None:
        raise EdgeError("message_not_found")
    return chat_id


async def _message_and_position(
    services: Services, principal: Principal, message_id: MessageId
) -> tuple[MessageRecord, Seq]:
    async with services.database.connection() as conn:
        message = await one_message.get_message_for(conn, message_id, principal.user_id)
    if message is None:
        raise EdgeError("message_not_found")
    return message, message.seq


def _sent(answer: Answer) -> SentMessage:
    assert isinstance(answer, Committed | Duplicate), type(answer)
    event = answer.event
    assert isinstance(event, MessageSent)
    return SentMessage(event.message, is_duplicate=isinstance(answer, Duplicate))


def _message_id(number: int | None) -> MessageId | None:
    return None if number is None else MessageId(number)
