"""What is sent is what the API description says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from pydantic import TypeAdapter

from aeon.wire import encode, schemas
from storage.ids import MessageId, Seq, UserId
from storage.records import ChatListRecord, Role
from tests.helpers import records


def conforms(model: object, value: object) -> None:
    TypeAdapter(model).validate_json(orjson.dumps(value), strict=True)


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (schemas.Person, encode.person(records.user())),
        (schemas.Profile, encode.profile(records.user())),
        (schemas.Account, encode.account(records.user())),
        (schemas.Member, encode.member(records.member())),
        (schemas.Chat, encode.chat(records.chat(), [records.member()])),
        (schemas.Message, encode.message(records.message())),
        (schemas.Message, encode.message(records.message(text=None, with_media=True))),
        (
            schemas.ChatListItem,
            encode.chat_list_item(
                ChatListRecord(records.chat(), Role.MEMBER, records.message(), 3, Seq(1))
            ),
        ),
        (
            schemas.ChatListItem,
            encode.chat_list_item(ChatListRecord(records.chat(), Role.OWNER, None, 0, Seq(1))),
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_shape_conforms_to_its_description(model: object, value: object) -> None:
    conforms(model, value)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 5, 17, 6, 412466, UTC), "2026-11-23T05:17:06.412466Z"),
        (datetime(2026, 11, 23, 5, 17, 6, 0, UTC), "2026-11-23T05:17:06.000000Z"),
        (
            datetime(2026, 11, 23, 8, 17, 6, 5, timezone(timedelta(hours=3))),
            "2026-11-23T05:17:06.000005Z",
        ),
    ],
)
def test_moments_are_utc_with_microseconds(moment: datetime, text: str) -> None:
    assert encode.timestamp(moment) == text


def test_an_admin_of_the_chat_is_no_admin_of_the_server() -> None:
    assert encode.member(records.member(role=Role.ADMIN))["is_admin"] is True
    assert encode.member(records.member(role=Role.MEMBER))["is_admin"] is False
    assert "is_admin" not in encode.person(records.user())


def test_the_last_message_of_a_list_item_is_its_text() -> None:
    item = encode.chat_list_item(
        ChatListRecord(records.chat(), Role.MEMBER, records.message(), 3, Seq(1))
    )
    assert (item["last_message"], item["last_message_time"]) == (
        "Hello",
        "2026-11-23T05:17:06.412466Z",
    )


def test_a_hidden_cursor_is_shown_to_its_owner_only() -> None:
    hidden = replace(records.member(7), shows_reading=False, read_message_id=MessageId(5))
    shown = encode.member(hidden, UserId(7))

    for others in (encode.member(hidden), encode.member(hidden, UserId(8))):
        assert (others["read_seq"], others["read_message_id"]) == (None, None)
        conforms(schemas.Member, others)
    assert (shown["read_seq"], shown["read_message_id"]) == (1, 5)
