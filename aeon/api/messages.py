"""Messages over REST."""

from __future__ import annotations

import hashlib
from typing import Final

from aeon.api import examples
from aeon.api.route import Answer, Call, Route
from aeon.limits import Kind
from aeon.usecases import chats, history, messages
from aeon.usecases.messages import ReadMark
from aeon.wire import encode, requests, schemas
from storage.history import HistoryPage, HistoryWindow
from storage.ids import Seq, UserId

_ACTIVE_MEMBER = ("not_a_member", "chat_deleted")


async def _read_history(call: Call) -> Answer:
    """Read messages of a chat, the oldest first.

    `page` 1 holds the newest; `has_next` says that there are older ones. Or name an id with
    `before_id`, `after_id` or `around_id`, and a `limit`. Deleted messages are left out.

    Poll with `If-None-Match`: as long as nothing happens in the chat, the answer is a 304.
    """
    wanted = call.query(requests.HistoryQuery)
    position = await chats.last_seq(call.services, call.principal, call.chat_id)
    etag = _etag(call, position, wanted)
    if call.has(etag):
        return Answer.not_modified(etag)
    found = await history.read_history(call.services, call.principal, call.chat_id, wanted)
    return Answer(_page(call, found, wanted), etag=etag)


async def _send_message(call: Call) -> Answer:
    """Send a message.

    With a `client_msg_id` of your own, unique for you, sending is safe to repeat: the same key
    gives the first message again, and nobody sees it twice.
    """
    wanted = call.body(requests.SendMessageInput)
    sent = await messages.send_message(call.services, call.principal, wanted)
    return _sent(call, sent)


async def _edit_message(call: Call) -> Answer:
    """Change the text of your own message, within the server's edit window.

    A forwarded copy can not be edited. Null changes nothing. Empty text takes the caption of a
    file away; a message without a file needs text.
    """
    text = call.body(requests.EditMessageInput).text
    if text is None:
        edited = await messages.read_own_message(call.services, call.principal, call.message_id)
    else:
        edited = await messages.edit_message(call.services, call.principal, call.message_id, text)
    return Answer(encode.message(edited.message, call.links))


async def _delete_message(call: Call) -> Answer:
    """Delete a message for all: your own, or any as owner or admin of the chat."""
    await messages.delete_message(call.services, call.principal, call.message_id)
    return Answer({"message": "The message was deleted"})


async def _forward_message(call: Call) -> Answer:
    """Copy a message that you can see into another of your chats."""
    query = call.query(requests.ForwardQuery)
    wanted = requests.ForwardMessageInput.model_validate(query.model_dump())
    return _sent(call, await messages.forward_message(call.services, call.principal, wanted))


async def _mark_message_read(call: Call) -> Answer:
    """Move your read cursor up to this message: it and all before it are read. Never back."""
    mark = await messages.mark_message_read(call.services, call.principal, call.message_id)
    return Answer(_read(mark, "Marked as read"))


async def _mark_all_read(call: Call) -> Answer:
    """Move your read cursor over everything in the chat."""
    mark = await messages.mark_read(call.services, call.principal, call.chat_id)
    return Answer(_read(mark, f"Marked {mark.newly_read} messages as read"))


async def _read_readers(call: Call) -> Answer:
    """List who has read a message, by id; page on with the last id as `after_id`."""
    wanted = call.query(requests.ReadersQuery)
    found = await history.read_readers(
        call.services,
        call.principal,
        call.message_id,
        after_id=None if wanted.after_id is None else UserId(wanted.after_id),
        limit=wanted.limit,
    )
    return Answer(
        {
            "users": [encode.person(user) for user in found.users],
            "total": found.total,
            "has_more": found.has_more,
        }
    )


def _sent(call: Call, sent: messages.SentMessage) -> Answer:
    headers = {"X-Duplicate": "true"} if sent.is_duplicate else {}
    return Answer(encode.message(sent.message, call.links), headers=headers)


def _read(mark: ReadMark, text: str) -> encode.Json:
    return {
        "message": text,
        "chat_id": mark.chat_id,
        "seq": mark.seq,
        "unread_count": mark.unread_count,
        "newly_read": mark.newly_read,
    }


def _page(
    call: Call, found: HistoryPage | HistoryWindow, wanted: requests.HistoryQuery
) -> encode.Json:
    links = call.links
    common: encode.Json = {
        "messages": [encode.message(message, links) for message in found.messages],
        "total": found.total,
    }
    if isinstance(found, HistoryPage):
        return {
            **common,
            "page": found.page,
            "per_page": found.per_page,
            "has_next": found.has_next,
            "has_prev": found.has_prev,
        }
    return {
        **common,
        "limit": wanted.limit or 50,
        "has_next": found.has_older,
        "has_prev": found.has_newer,
    }


def _etag(call: Call, position: Seq, wanted: requests.HistoryQuery) -> str:
    """Name a version of a part of a chat, without reading it.

    Everything in a chat changes by its events. The position is read before the messages: at worst
    a newer page goes by an older name and is fetched once more.
    """
    links_until = call.services.media.signer.expiry()
    parts = (call.chat_id, position, call.principal.user_id, call.base_url, links_until, wanted)
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()
    return f'W/"{position}-{digest}"'


_MESSAGES = "/api/v1/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"
_OF_CHAT = f"{_MESSAGES}/chat/{{chat_id}}"
_SEND_ERRORS = (
    *_ACTIVE_MEMBER,
    "not_allowed",
    "client_msg_id_reused",
    "message_too_long",
)

ROUTES: Final = (
    Route(
        method="GET",
        path=_OF_CHAT,
        handler=_read_history,
        summary="Read a chat's messages",
        tag="messages",
        returns=schemas.MessagePage | schemas.MessageWindow,
        query=requests.HistoryQuery,
        rate=Kind.READ,
        errors=("not_a_member",),
        example=examples.MESSAGE_PAGE,
    ),
    Route(
        method="POST",
        path=f"{_MESSAGES}/",
        handler=_send_message,
        summary="Send a message",
        tag="messages",
        returns=schemas.Message,
        body=requests.SendMessageInput,
        rate=Kind.SEND,
        errors=(*_SEND_ERRORS, "reply_not_found", "media_not_found"),
        example=examples.MESSAGE,
        body_example=examples.SEND,
    ),
    Route(
        method="POST",
        path=f"{_MESSAGES}/forward",
        handler=_forward_message,
        summary="Forward a message",
        tag="messages",
        returns=schemas.Message,
        query=requests.ForwardQuery,
        rate=Kind.SEND,
        errors=(*_SEND_ERRORS, "message_not_found"),
        example=examples.MESSAGE,
    ),
    Route(
        method="PUT",
        path=_MESSAGE,
        handler=_edit_message,
        summary="Edit a message",
        tag="messages",
        returns=schemas.Message,
        body=requests.EditMessageInput,
        rate=Kind.CHANGE,
        errors=(
            *_ACTIVE_MEMBER,
            "not_allowed",
            "message_not_found",
            "edit_window_passed",
            "message_too_long",
        ),
        example=examples.MESSAGE,
        body_example={"text": "Hello, all"},
    ),
    Route(
        method="DELETE",
        path=_MESSAGE,
        handler=_delete_message,
        summary="Delete a message",
        tag="messages",
        returns=schemas.Done,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "not_allowed", "message_not_found"),
        example={"message": "The message was deleted"},
    ),
    Route(
        method="POST",
        path=f"{_MESSAGE}/read",
        handler=_mark_message_read,
        summary="Mark as read up to a message",
        tag="messages",
        returns=schemas.ReadAnswer,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "message_not_found"),
        example=examples.READ,
    ),
    Route(
        method="GET",
        path=f"{_MESSAGE}/readers",
        handler=_read_readers,
        summary="List who has read a message",
        tag="messages",
        returns=schemas.ReaderPage,
        query=requests.ReadersQuery,
        rate=Kind.READ,
        errors=("message_not_found",),
        example={"users": [examples.PERSON], "total": 1, "has_more": False},
    ),
    Route(
        method="POST",
        path=f"{_OF_CHAT}/read-all",
        handler=_mark_all_read,
        summary="Mark all as read",
        tag="messages",
        returns=schemas.ReadAnswer,
        rate=Kind.CHANGE,
        errors=_ACTIVE_MEMBER,
        example=examples.READ,
    ),
)
