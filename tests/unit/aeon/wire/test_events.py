"""Every durable event as its frame."""

import orjson
import pytest
from pydantic import TypeAdapter

from aeon.wire import schemas
from aeon.wire.events import WireEncoder, event_frame
from storage import events
from storage.events import DurableEvent
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import Role
from tests.helpers import records

HEAD = {"chat_id": ChatId(12), "seq": Seq(5), "actor_id": UserId(7), "at": records.AT}
CASES: list[tuple[DurableEvent, str, dict[str, object]]] = [
    (events.MessageSent(**HEAD, message=records.message()), "new_message", {}),
    (events.MessageEdited(**HEAD, message=records.message()), "message_edited", {}),
    (
        events.MessageDeleted(**HEAD, message_id=MessageId(341)),
        "message_deleted",
        {"message_id": 341, "deleted_by": 7},
    ),
    (
        events.MessagesRead(**HEAD, message_id=MessageId(341), read_seq=Seq(4)),
        "message_read",
        {"user_id": 7, "message_id": 341, "read_seq": 4},
    ),
    (events.ChatCreated(**HEAD, chat=records.chat(), members=()), "chat_created", {}),
    (
        events.ChatUpdated(**HEAD, chat=records.chat(), members=(records.member(),)),
        "chat_updated",
        {},
    ),
    (events.ChatDeleted(**HEAD), "chat_deleted", {"deleted_by": 7}),
    (
        events.MemberAdded(**HEAD, user=records.user(8), role=Role.MEMBER),
        "member_added",
        {"added_by": 7, "role": "member"},
    ),
    (
        events.MemberRemoved(**HEAD, user_id=UserId(8)),
        "member_removed",
        {"user_id": 8, "removed_by": 7},
    ),
    (
        events.MemberUpdated(**HEAD, user_id=UserId(8), role=Role.ADMIN),
        "member_updated",
        {"user_id": 8, "role": "admin"},
    ),
]


@pytest.mark.parametrize(("event", "event_type", "fields"), CASES, ids=[one[1] for one in CASES])
def test_frames(event: DurableEvent, event_type: str, fields: dict[str, object]) -> None:
    frame = orjson.loads(event_frame(event))
    assert list(frame)[:3] == ["type", "chat_id", "seq"]
    assert (frame["type"], frame["chat_id"], frame["seq"]) == (event_type, 12, 5)
    assert fields.items() <= frame.items()
    TypeAdapter(schemas.Event).validate_python(frame)
    if "message" in frame:
        TypeAdapter(schemas.Message).validate_json(orjson.dumps(frame["message"]), strict=True)
    if "chat" in frame:
        TypeAdapter(schemas.Chat).validate_json(orjson.dumps(frame["chat"]), strict=True)
    if "user" in frame:
        TypeAdapter(schemas.Person).validate_json(orjson.dumps(frame["user"]), strict=True)


def test_every_kind_of_event_is_here() -> None:
    assert {type(event) for event, _, _ in CASES} == set(events.DurableEvent.__args__)


def test_transient_events_have_no_seq() -> None:
    encoder = WireEncoder()
    typing = orjson.loads(encoder.typing(ChatId(12), UserId(7), is_typing=True))
    status = orjson.loads(encoder.user_status(UserId(7), is_online=False, last_seen_at=0.5))
    assert typing == {"type": "typing", "chat_id": 12, "user_id": 7, "is_typing": True}
    assert status == {
        "type": "user_status",
        "user_id": 7,
        "is_online": False,
        "last_seen_at": "1970-01-01T00:00:00.500000Z",
    }
