from datetime import UTC, datetime
from typing import Any

import pytest

from actors.chat.view import ChatView
from storage.events import (
    ChatCreated,
    ChatDeleted,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    MessageDeleted,
)
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import ChatRecord, ChatType, MemberRecord, Role, UserRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHAT = ChatId(5)


def user(user_id: int) -> UserRecord:
    return UserRecord(
        id=UserId(user_id),
        first_name=f"User {user_id}",
        last_name=None,
        username=None,
        language_code="en",
        is_premium=False,
        profile_photo_url=None,
        bio=None,
        is_admin=False,
        created_at=NOW,
    )


def created(*user_ids: int) -> ChatCreated:
    chat = ChatRecord(
        id=CHAT,
        type=ChatType.GROUP,
        title="Group",
        description=None,
        photo_url=None,
        created_by=UserId(user_ids[0]),
        is_active=True,
        last_seq=Seq(1),
        members_count=len(user_ids),
        created_at=NOW,
        updated_at=None,
    )
    members = tuple(
        MemberRecord(
            user=user(user_id),
            role=Role.OWNER if user_id == user_ids[0] else Role.MEMBER,
            joined_at=NOW,
            read_seq=Seq(1),
            read_message_id=None,
        )
        for user_id in user_ids
    )
    return ChatCreated(
        chat_id=CHAT, seq=Seq(1), actor_id=UserId(user_ids[0]), at=NOW, chat=chat, members=members
    )


def common(seq: int) -> dict[str, Any]:
    return {"chat_id": CHAT, "seq": Seq(seq), "actor_id": UserId(1), "at": NOW}


def folded(*events: DurableEvent) -> ChatView:
    view = ChatView.before(events[0])
    for event in events:
        view.apply(event)
    return view


def test_creation_brings_the_members() -> None:
    view = folded(created(1, 2))

    assert view.roles == {UserId(1): Role.OWNER, UserId(2): Role.MEMBER}
    assert view.last_seq == 1


@pytest.mark.parametrize(
    ("event", "receivers"),
    [
        (MemberAdded(**common(2), user=user(3), role=Role.MEMBER), {1, 2, 3}),
        (MemberRemoved(**common(2), user_id=UserId(2)), {1}),
        (MemberUpdated(**common(2), user_id=UserId(2), role=Role.ADMIN), {1, 2}),
        (MessageDeleted(**common(2), message_id=MessageId(1)), {1, 2}),
    ],
)
def test_receivers_follow_membership(event: DurableEvent, receivers: set[int]) -> None:
    view = folded(created(1, 2), event)

    assert view.receivers == receivers
    assert view.last_seq == 2


def test_receivers_are_one_object_until_membership_changes() -> None:
    view = folded(created(1, 2))
    before = view.receivers

    view.apply(MessageDeleted(**common(2), message_id=MessageId(1)))
    unchanged = view.receivers
    view.apply(MemberRemoved(**common(3), user_id=UserId(2)))

    assert unchanged is before
    assert view.receivers is not before


def test_a_deleted_chat_is_inactive() -> None:
    assert not folded(created(1), ChatDeleted(**common(2))).is_active
