"""Values that would spoil a batch are found before it is sent."""

from collections.abc import Callable

import pytest

from storage.commands import AnyCommand
from storage.ids import MAX_ID
from storage.records import Role
from storage.validity import find_invalid, is_storable
from tests.helpers.commands import (
    add,
    close,
    create,
    delete,
    edit,
    promote,
    read,
    remove,
    send,
    update,
)

VALID: list[AnyCommand] = [
    send(1, 1, "é😀" * 2048, client_msg_id="k" * 64, reply_to_message_id=MAX_ID),
    send(1, 1, None, media_id="m"),
    edit(1, 1, 1, ""),
    delete(1, 1, 1),
    read(1, 1),
    read(1, 1, 1),
    create(1, 1, 2, 3, title=None),
    update(1, 1, title="t" * 255),
    update(1, 1),
    close(1, 1),
    add(1, 1, 2),
    remove(1, 1, 2),
    promote(1, 1, 2, Role.ADMIN),
]


@pytest.mark.parametrize("command", VALID, ids=lambda command: type(command).__name__)
def test_what_can_be_stored(command: AnyCommand) -> None:
    assert find_invalid(command) is None


TEXTS: list[Callable[[str], AnyCommand]] = [
    lambda text: send(1, 1, text),
    lambda text: send(1, 1, client_msg_id=text),
    lambda text: send(1, 1, media_id=text),
    lambda text: send(1, 1, message_type=text),
    lambda text: edit(1, 1, 1, text),
    lambda text: create(1, 1, title=text),
    lambda text: create(1, 1, description=text),
    lambda text: create(1, 1, photo_url=text),
    lambda text: update(1, 1, title=text),
    lambda text: update(1, 1, description=text),
    lambda text: update(1, 1, photo_url=text),
]


@pytest.mark.parametrize("make", TEXTS)
@pytest.mark.parametrize("text", ["\x00", "a\x00", "\ud800", "\udfff!", "é\x00"])
def test_texts_that_postgresql_can_not_hold(make: Callable[[str], AnyCommand], text: str) -> None:
    assert find_invalid(make(text)) is not None


@pytest.mark.parametrize("make", TEXTS)
def test_texts_that_are_too_long(make: Callable[[str], AnyCommand]) -> None:
    assert find_invalid(make("x" * 1_000_001)) is not None


IDS: list[Callable[[int], AnyCommand]] = [
    lambda n: send(n, 1),
    lambda n: send(1, n),
    lambda n: send(1, 1, reply_to_message_id=n),
    lambda n: send(1, 1, forward_message_id=n),
    lambda n: edit(1, 1, n),
    lambda n: delete(1, 1, n),
    lambda n: read(1, 1, n),
    lambda n: create(1, 1, 2, n),
    lambda n: add(1, 1, n),
    lambda n: remove(1, 1, n),
    lambda n: promote(1, 1, n, Role.ADMIN),
]


@pytest.mark.parametrize("make", IDS)
@pytest.mark.parametrize("number", [0, -1, MAX_ID + 1, 2**63, 2**200])
def test_ids_that_name_nothing(make: Callable[[int], AnyCommand], number: int) -> None:
    assert find_invalid(make(number)) is not None


def test_the_field_is_named() -> None:
    assert find_invalid(send(1, 1, client_msg_id="\x00")) is not None
    assert "client_msg_id" in (find_invalid(send(1, 1, client_msg_id="\x00")) or "")
    assert "user_id" in (find_invalid(add(1, 1, 0)) or "")


def test_every_character_but_nul_and_surrogates_can_be_stored() -> None:
    assert is_storable("".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x11000)])))
    assert not any(is_storable(chr(code)) for code in range(0xD800, 0xE000))
