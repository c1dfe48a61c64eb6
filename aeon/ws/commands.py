"""What each command does: its fields, its rate, the use case it runs, what its ack carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from actors.chat.ports import SetTyping
from actors.delivery.session import Session
from aeon import request_ids
from aeon.auth.principal import Principal
from aeon.errors import EdgeError
from aeon.limits import Kind
from aeon.services import Services
from aeon.usecases import messages
from aeon.wire import encode, requests
from aeon.ws.resume import PAUSED, Resume
from storage import chats
from storage.ids import ChatId, MessageId, Seq

Fields = Mapping[str, object]
"""What an ack carries beside its id."""

ASK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Context:
    """On whose behalf, and over which connection, a command runs."""

    services: Services
    principal: Principal
    session: Session
    resume: Resume


# The model of a line of the table and its function belong together; that the function takes
# just this model can not be said in a heterogeneous table.
Run = Callable[[Context, Any], Awaitable[Fields]]


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the protocol's table of commands."""

    model: type[BaseModel]
    run: Run
    rate: Kind | None = None


async def _ping(_context: Context, _command: requests.PingCommand) -> Fields:
    return {}


async def _send(context: Context, command: requests.SendMessageInput) -> Fields:
    sent = await messages.send_message(context.services, context.principal, command)
    return _message_fields(context, sent)


async def _forward(context: Context, command: requests.ForwardMessageInput) -> Fields:
    sent = await messages.forward_message(context.services, context.principal, command)
    return _message_fields(context, sent)


async def _edit(context: Context, command: requests.EditMessageCommand) -> Fields:
    edited = await messages.edit_message(
        context.services, context.principal, MessageId(command.message_id), command.text
    )
    links = context.services.media.links.public
    return {"message": encode.message(edited.message, links), "seq": edited.seq}


async def _delete(context: Context, command: requests.DeleteMessageCommand) -> Fields:
    seq = await messages.delete_message(
        context.services, context.principal, MessageId(command.message_id)
    )
    return {"seq": seq}


async def _mark_read(context: Context, command: requests.MarkReadCommand) -> Fields:
    message_id = None if command.message_id is None else MessageId(command.message_id)
    read = await messages.mark_read(
        context.services, context.principal, ChatId(command.chat_id), message_id
    )
    return {"unread_count": read.unread_count, "seq": read.seq}


async def _typing(context: Context, command: requests.TypingCommand) -> Fields:
    chat = context.services.chat(ChatId(command.chat_id))
    notice = SetTyping(user_id=context.principal.user.id, is_typing=command.is_typing)
    await chat.ask(notice, timeout_seconds=ASK_SECONDS, trace_id=request_ids.current())
    return {}


async def _join(context: Context, command: requests.ChatCommand) -> Fields:
    chat_id = ChatId(command.chat_id)
    position = await _position(context, chat_id)
    # What passed by since the look is missed as well: live events go on behind the ack's seq.
    position = max(position, Seq(context.session.latest_seen(chat_id)))
    context.session.release(chat_id, PAUSED)
    return {"seq": position}


async def _leave(context: Context, command: requests.ChatCommand) -> Fields:
    chat_id = ChatId(command.chat_id)
    position = await _position(context, chat_id)
    context.session.hold(chat_id, PAUSED)
    return {"seq": position}


async def _position(context: Context, chat_id: ChatId) -> Seq:
    """Say how far a chat's log goes, to one of its members."""
    async with context.services.database.connection() as conn:
        position = await chats.get_position(conn, chat_id, context.principal.user_id)
    if position is None:
        raise EdgeError("not_a_member")
    return position


async def _resume(context: Context, command: requests.ResumeCommand) -> Fields:
    cursors = {ChatId(chat_id): Seq(seq) for chat_id, seq in command.cursors.items()}
    report = await context.resume.run(cursors, has_more=command.has_more)
    context.services.counts.resumed(
        replayed=len(report.chats),
        events=report.replayed_events,
        resync=len(report.resync),
        left=len(report.left),
    )
    return {
        "chats": {
            chat_id: {"seq": one.seq, "replayed": one.replayed, "read_seq": one.read_seq}
            for chat_id, one in report.chats.items()
        },
        "resync": report.resync,
        "left": list(report.left),
    }


def _message_fields(context: Context, sent: messages.SentMessage) -> Fields:
    return {
        "message": encode.message(sent.message, context.services.media.links.public),
        "seq": sent.seq,
        "duplicate": sent.is_duplicate,
    }


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "ping": Command(requests.PingCommand, _ping),
        "send_message": Command(requests.SendMessageInput, _send, Kind.SEND),
        "edit_message": Command(requests.EditMessageCommand, _edit, Kind.CHANGE),
        "delete_message": Command(requests.DeleteMessageCommand, _delete, Kind.CHANGE),
        "forward_message": Command(requests.ForwardMessageInput, _forward, Kind.SEND),
        "mark_read": Command(requests.MarkReadCommand, _mark_read, Kind.CHANGE),
        "typing": Command(requests.TypingCommand, _typing, Kind.TYPING),
        "join_chat": Command(requests.ChatCommand, _join, Kind.READ),
        "leave_chat": Command(requests.ChatCommand, _leave, Kind.READ),
        "resume": Command(requests.ResumeCommand, _resume, Kind.READ),
    }
)
"""The protocol's commands by type."""
