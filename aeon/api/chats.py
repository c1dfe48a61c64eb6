"""Chats and their members over REST."""

from __future__ import annotations

from typing import Final

from aeon.api import examples
from aeon.api.route import Answer, Call, Route
from aeon.limits import Kind
from aeon.usecases import chats, history, members
from aeon.usecases.members import Invited
from aeon.wire import encode, requests, schemas
from aeon.wire.events import event_json
from storage.chats import ChatView
from storage.records import Role

_MEMBER = ("not_a_member",)
_ACTIVE_MEMBER = (*_MEMBER, "chat_deleted")


async def _list_chats(call: Call) -> Answer:
    """List your active chats, the one with the newest message first.

    To start without a race, connect the WebSocket first, then list, then ignore live events whose
    `seq` is not larger than that chat's `last_seq`.
    """
    found = await chats.list_chats(call.services, call.principal)
    return Answer([encode.chat_list_item(one, call.links) for one in found])


async def _create_chat(call: Call) -> Answer:
    """Open a chat and become its owner.

    - `private` with one other person: the one chat of the two, returned when it is there already;
      both are owners. `private` alone: notes, which become a group when somebody is added.
    - Unknown ids and your own among `member_ids` are skipped.
    - Safe to repeat: the same chat created again within four minutes is the first one, as long as
      nothing was said in it.
    """
    wanted = call.body(requests.CreateChatInput)
    return Answer(_chat(call, await chats.create_chat(call.services, call.principal, wanted)))


async def _get_chat(call: Call) -> Answer:
    """Show a chat with its members; one that was deleted too, with `is_active` false."""
    return Answer(_chat(call, await chats.get_chat(call.services, call.principal, call.chat_id)))


async def _update_chat(call: Call) -> Answer:
    """Change title, description or photo, as owner or admin.

    Null or absent leaves a field, an empty string clears it; a group keeps a title.
    """
    changes = call.body(requests.UpdateChatInput)
    view = await chats.update_chat(call.services, call.principal, call.chat_id, changes)
    return Answer(_chat(call, view))


async def _delete_chat(call: Call) -> Answer:
    """Close a chat for all its members, as its owner. Closing it again changes nothing."""
    await chats.delete_chat(call.services, call.principal, call.chat_id)
    return Answer({"message": "The chat was deleted"})


async def _add_member(call: Call) -> Answer:
    """Add somebody who has been here before, as owner or admin."""
    await members.add_member(call.services, call.principal, call.chat_id, call.user_id)
    return Answer({"message": "The person was added"})


async def _remove_member(call: Call) -> Answer:
    """Remove somebody, or leave.

    Admins remove plain members, the owner anybody. The owner leaves last, or hands over first.
    """
    await members.remove_member(call.services, call.principal, call.chat_id, call.user_id)
    return Answer({"message": "The person was removed"})


async def _change_role(call: Call) -> Answer:
    """Promote or demote somebody, as the owner; `owner` hands the chat over to them."""
    role = Role(call.body(requests.ChangeRoleInput).role)
    await members.change_role(call.services, call.principal, call.chat_id, call.user_id, role)
    return Answer({"message": "The role was changed"})


async def _invite_by_username(call: Call) -> Answer:
    """Add whoever holds a username, or keep a place until they log in for the first time.

    Case and leading `@`s do not matter. `status` is `added` or `invited`.
    """
    username = call.body(requests.InviteInput).username
    invited = await members.invite_by_username(
        call.services, call.principal, call.chat_id, username
    )
    text = "The person was added" if invited is Invited.ADDED else "The person was invited"
    return Answer({"message": text, "status": invited.value})


async def _read_events(call: Call) -> Answer:
    """Read a chat's events after a position, for a client that was away.

    410 `too_far`: the log no longer reaches back to it; load the chat afresh.
    """
    wanted = call.query(requests.EventsQuery)
    page = await history.read_events(call.services, call.principal, call.chat_id, wanted)
    return Answer(
        {
            "events": [event_json(event, call.links) for event in page.events],
            "last_seq": page.last_seq,
            "read_seq": page.read_seq,
            "has_more": page.has_more,
        }
    )


def _chat(call: Call, view: ChatView) -> encode.Json:
    return encode.chat(view.chat, view.members, call.links, call.principal.user_id)


_CHATS = "/api/v1/chats"
_CHAT = f"{_CHATS}/{{chat_id}}"
_A_MEMBER = f"{_CHAT}/members/{{user_id}}"

ROUTES: Final = (
    Route(
        method="GET",
        path=f"{_CHATS}/",
        handler=_list_chats,
        summary="List your chats",
        tag="chats",
        returns=list[schemas.ChatListItem],
        rate=Kind.READ,
        example=examples.CHAT_LIST,
    ),
    Route(
        method="POST",
        path=f"{_CHATS}/",
        handler=_create_chat,
        summary="Create a chat",
        tag="chats",
        returns=schemas.Chat,
        body=requests.CreateChatInput,
        rate=Kind.CHANGE,
        errors=("chat_full", "user_not_found", "not_a_member"),
        example=examples.CHAT,
        body_example={"title": "Team", "chat_type": "group", "member_ids": [700001]},
    ),
    Route(
        method="GET",
        path=_CHAT,
        handler=_get_chat,
        summary="Show a chat",
        tag="chats",
        returns=schemas.Chat,
        rate=Kind.READ,
        errors=_MEMBER,
        example=examples.CHAT,
    ),
    Route(
        method="PUT",
        path=_CHAT,
        handler=_update_chat,
        summary="Change a chat",
        tag="chats",
        returns=schemas.Chat,
        body=requests.UpdateChatInput,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "not_allowed"),
        example=examples.CHAT,
        body_example={"title": "Team", "description": ""},
    ),
    Route(
        method="DELETE",
        path=_CHAT,
        handler=_delete_chat,
        summary="Delete a chat",
        tag="chats",
        returns=schemas.Done,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "chat_not_found"),
        example={"message": "The chat was deleted"},
    ),
    Route(
        method="POST",
        path=_A_MEMBER,
        handler=_add_member,
        summary="Add a member",
        tag="members",
        returns=schemas.Done,
        rate=Kind.CHANGE,
        errors=(
            *_ACTIVE_MEMBER,
            "not_allowed",
            "user_not_found",
            "already_a_member",
            "private_chat_full",
            "chat_full",
        ),
        example={"message": "The person was added"},
    ),
    Route(
        method="DELETE",
        path=_A_MEMBER,
        handler=_remove_member,
        summary="Remove a member, or leave",
        tag="members",
        returns=schemas.Done,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "not_allowed", "member_not_found", "owner_must_transfer"),
        example={"message": "The person was removed"},
    ),
    Route(
        method="PUT",
        path=_A_MEMBER,
        handler=_change_role,
        summary="Change a member's role",
        tag="members",
        returns=schemas.Done,
        body=requests.ChangeRoleInput,
        rate=Kind.CHANGE,
        errors=(*_ACTIVE_MEMBER, "not_allowed", "member_not_found", "owner_must_transfer"),
        example={"message": "The role was changed"},
        body_example={"role": "admin"},
    ),
    Route(
        method="POST",
        path=f"{_CHAT}/invite-by-username",
        handler=_invite_by_username,
        summary="Invite by username",
        tag="members",
        returns=schemas.InviteAnswer,
        body=requests.InviteInput,
        rate=Kind.CHANGE,
        errors=(
            *_ACTIVE_MEMBER,
            "not_allowed",
            "user_not_found",
            "already_a_member",
            "already_invited",
            "private_chat_full",
            "chat_full",
        ),
        example={"message": "The person was invited", "status": "invited"},
        body_example={"username": "@boris"},
    ),
    Route(
        method="GET",
        path=f"{_CHAT}/events",
        handler=_read_events,
        summary="Catch up on a chat",
        tag="chats",
        returns=schemas.EventsAnswer,
        query=requests.EventsQuery,
        rate=Kind.READ,
        errors=(*_MEMBER, "too_far"),
        example=examples.EVENTS,
    ),
)
