"""Input: limits at their edges, and faults that name the field."""

import pytest
from pydantic import BaseModel, ValidationError

from aeon.wire import requests
from aeon.wire.requests import field_errors


def faults(model: type[BaseModel], **fields: object) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    return [(fault.field, fault.code) for fault in field_errors(caught.value)]


@pytest.mark.parametrize(
    ("model", "good", "bad", "field"),
    [
        (requests.SendMessageInput, {"text": "\U0001f600" * 4096}, {"text": "x" * 4097}, "text"),
        (requests.SendMessageInput, {"chat_id": 2**53 - 1}, {"chat_id": 2**53}, "chat_id"),
        (
            requests.SendMessageInput,
            {"client_msg_id": "k" * 64},
            {"client_msg_id": "k" * 65},
            "client_msg_id",
        ),
        (requests.CreateChatInput, {"title": "t" * 255}, {"title": "t" * 256}, "title"),
        (
            requests.CreateChatInput,
            {"description": "d" * 2048},
            {"description": "d" * 2049},
            "description",
        ),
        (
            requests.CreateChatInput,
            {"member_ids": list(range(1, 201))},
            {"member_ids": list(range(1, 202))},
            "member_ids",
        ),
        (requests.InviteInput, {"username": "@" + "a" * 32}, {"username": "a" * 33}, "username"),
        (requests.UpdateMeInput, {"bio": "b" * 512}, {"bio": "b" * 513}, "bio"),
        (requests.HistoryQuery, {"per_page": "100"}, {"per_page": "101"}, "per_page"),
        (requests.HistoryQuery, {"page": "1"}, {"page": "0"}, "page"),
    ],
)
def test_limits(
    model: type[BaseModel], good: dict[str, object], bad: dict[str, object], field: str
) -> None:
    base: dict[str, object] = {}
    if model is requests.SendMessageInput:
        base = {"chat_id": 7, "text": "x"}
    assert model.model_validate({**base, **good})
    assert [name for name, _ in faults(model, **{**base, **bad})] == [field]


def test_a_text_too_long_has_its_own_code() -> None:
    assert faults(requests.SendMessageInput, chat_id=7, text="x" * 4097) == [
        ("text", "message_too_long")
    ]
    assert faults(requests.CreateChatInput, title="t" * 256) == [("title", "invalid_field")]


@pytest.mark.parametrize("value", ["7", 7.5, 1e300, True, None, -1, 0, [7]])
def test_ids_in_bodies_are_whole_numbers(value: object) -> None:
    assert faults(requests.ChatCommand, chat_id=value)[0][0] == "chat_id"


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert requests.ChatCommand.model_validate({"chat_id": 7.0}).chat_id == 7


def test_faults_say_where_and_never_what() -> None:
    with pytest.raises(ValidationError) as caught:
        requests.CreateChatInput.model_validate(
            {"member_ids": [1, "secret-value"], "colour": "secret-value"}
        )
    found = field_errors(caught.value)
    assert [fault.field for fault in found] == ["member_ids.1", "colour"]
    assert "secret-value" not in str(found) + str(caught.value)


def test_cursors_name_their_chat() -> None:
    assert faults(requests.ResumeCommand, cursors={"x": 1})[0][0] == "cursors.x"
    assert faults(requests.ResumeCommand, cursors={"1": -1})[0][0] == "cursors.1"
    assert requests.ResumeCommand.model_validate({"cursors": {"12": 0}}).cursors == {12: 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None},
        {"text": " \n"},
        {"message_type": "photo"},
        {"media_id": "m", "text": "x" * 1025},
    ],
)
def test_a_message_holds_something(fields: dict[str, object]) -> None:
    faults(requests.SendMessageInput, chat_id=7, **fields)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (requests.CreateChatInput, {"member_ids": ["x"] * 60_000}),
        (requests.CreateChatInput, {f"n{number}": 0 for number in range(20_000)}),
        (requests.ResumeCommand, {"cursors": {str(number): "x" for number in range(1, 7_000)}}),
        (requests.ResumeCommand, {"cursors": {f"{number}x": 1 for number in range(7_000)}}),
        (requests.CreateChatInput, {"n" * 200_000: 0}),
    ],
)
def test_a_flood_of_faults_is_named_in_few_words(
    model: type[BaseModel], fields: dict[str, object]
) -> None:
    """One body of ours had the server name sixty thousand fields, which took it a second."""
    named = faults(model, **fields)
    assert 1 <= len(named) <= 20
    assert len(str(named)) < 2_000


def test_known_fields_are_read_among_many_unknown_ones() -> None:
    unknown = {f"n{number}": 0 for number in range(100)}
    named = faults(requests.ChatCommand, **unknown, chat_id="x")
    assert named[0] == ("chat_id", "invalid_field")
    assert ("n0", "invalid_field") in named


@pytest.mark.parametrize(
    "text", [" 7", "7 ", "+7", "7.0", "1_0", "1e1", "٣", "", "0x7", "7" * 5_000]
)
def test_numbers_of_a_query_are_digits(text: str) -> None:
    assert faults(requests.HistoryQuery, page=text)[0] == ("page", "invalid_field")
    assert faults(requests.HistoryQuery, per_page=text)[0][0] == "per_page"
    assert faults(requests.EventsQuery, after=text)[0][0] == "after"
    assert faults(requests.ResumeCommand, cursors={text: 1})[0][0] == f"cursors.{text[:64]}"
    assert requests.HistoryQuery.model_validate({"page": "7"}).page == 7


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "data:text/html,x", "ftp://a", "x"),
        *("http://[bad", "https://]/x", "//a[/media/x"),
    ],
)
def test_pictures_are_links(url: str) -> None:
    assert faults(requests.CreateChatInput, photo_url=url) == [("photo_url", "invalid_field")]
