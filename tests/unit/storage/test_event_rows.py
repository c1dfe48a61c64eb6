"""Events survive the way into the log and back, and the log keeps no text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.event_rows import (
    EVENT_CLASSES,
    EVENT_CODES,
    CurrentRows,
    EventRow,
    decode_event,
    encode_event,
)
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
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import ChatRecord, ChatType, MemberRecord, MessageRecord, Role, UserRecord

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CHAT = ChatRecord(
    id=ChatId(5),
    type=ChatType.GROUP,
    title="SECRET title",
    description=None,
    photo_url=None,
    created_by=UserId(1),
    is_active=True,
    last_seq=Seq(9),
    members_count=1,
    created_at=NOW,
    updated_at=None,
)
USER = UserRecord(
    id=UserId(1),
    first_name="SECRET name",
    last_name=None,
    username=None,
    language_code="en",
    is_premium=False,
    profile_photo_url=None,
    bio=None,
    is_admin=False,
    created_at=NOW,
)
MEMBER = MemberRecord(
    user=USER, role=Role.OWNER, joined_at=NOW, read_seq=Seq(0), read_message_id=None
)
MESSAGE = MessageRecord(
    id=MessageId(70),
    chat_id=CHAT.id,
    seq=Seq(2),
    sender=USER,
    text="SECRET text",
    message_type="text",
    reply_to_message_id=None,
    media=None,
    forward_from_user_id=None,
    forward_from_chat_id=None,
    client_msg_id="SECRET key",
    is_edited=False,
    is_deleted=False,
    created_at=NOW,
    updated_at=None,
)
CURRENT = CurrentRows(
    chat=CHAT, members=(MEMBER,), messages={MESSAGE.id: MESSAGE}, users={USER.id: USER}
)


def place(seq: int) -> dict[str, object]:
    return {"chat_id": CHAT.id, "seq": Seq(seq), "actor_id": USER.id, "at": NOW}


EVENTS: list[DurableEvent] = [
    ChatCreated(**place(1), chat=CHAT, members=(MEMBER,)),  # type: ignore[arg-type] # a mapping
    MessageSent(**place(2), message=MESSAGE),  # type: ignore[arg-type] # the same below
    MessageEdited(**place(3), message=MESSAGE),  # type: ignore[arg-type]
    MessageDeleted(**place(4), message_id=MESSAGE.id),  # type: ignore[arg-type]
    MessagesRead(**place(5), message_id=MESSAGE.id, read_seq=Seq(2)),  # type: ignore[arg-type]
    MemberAdded(**place(6), user=USER, role=Role.ADMIN),  # type: ignore[arg-type]
    MemberUpdated(**place(7), user_id=USER.id, role=Role.MEMBER),  # type: ignore[arg-type]
    MemberRemoved(**place(8), user_id=USER.id),  # type: ignore[arg-type]
    ChatUpdated(**place(9), chat=CHAT, members=(MEMBER,)),  # type: ignore[arg-type]
    ChatDeleted(**place(10)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_equal_and_leaves_no_text(event: DurableEvent):
    row = encode_event(event)
    assert decode_event(row, CURRENT) == event
    assert "SECRET" not in repr(row)


def test_every_class_has_a_code_of_its_own():
    assert {type(event) for event in EVENTS} == set(EVENT_CODES)
    assert {code: EVENT_CODES[cls] for code, cls in EVENT_CLASSES.items()} == {
        code: code for code in EVENT_CODES.values()
    }


def test_stored_codes_never_change():
    assert {cls.__name__: code for cls, code in EVENT_CODES.items()} == {
        "MessageSent": 1,
        "MessageEdited": 2,
        "MessageDeleted": 3,
        "MessagesRead": 4,
        "ChatCreated": 5,
        "ChatUpdated": 6,
        "ChatDeleted": 7,
        "MemberAdded": 8,
        "MemberRemoved": 9,
        "MemberUpdated": 10,
    }


def test_a_code_of_a_newer_version_is_an_error():
    row = EventRow(CHAT.id, Seq(1), 99, USER.id, None, None, NOW)
    with pytest.raises(KeyError):
        decode_event(row, CURRENT)
