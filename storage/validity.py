"""Values that PostgreSQL would refuse, found before they spoil a batch.

The edge checks what clients send and answers with the field's name; this is the last line, so that
one bad value can never fail a transaction that holds a hundred other people's messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from storage.commands import (
    AddMember,
    AnyCommand,
    ChangeRole,
    CreateChat,
    DeleteChat,
    DeleteMessage,
    EditMessage,
    MarkRead,
    RemoveMember,
    SendMessage,
    UpdateChat,
)
from storage.ids import MAX_ID
from storage.tables import (
    CLIENT_MSG_ID_MAX_CHARACTERS,
    MEDIA_ID_MAX_CHARACTERS,
    MESSAGE_TYPE_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    TITLE_MAX_CHARACTERS,
)

_UNBOUNDED: Final = 1_000_000
"""A ``TEXT`` column; the edge sets a limit that people understand."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """Ids and texts of a command with the texts' bounds, read by one C call each."""

    ids: tuple[str, ...]
    texts: Mapping[str, int] = field(default_factory=dict)
    bounds: tuple[tuple[str, int], ...] = field(init=False)
    get_ids: Callable[[AnyCommand], tuple[int | None, ...]] = field(init=False)
    get_texts: Callable[[AnyCommand], tuple[str | None, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", tuple(self.texts.items()))
        object.__setattr__(self, "get_ids", attrgetter(*self.ids))
        object.__setattr__(self, "get_texts", _text_getter(tuple(self.texts)))


def _text_getter(names: tuple[str, ...]) -> Callable[[AnyCommand], tuple[str | None, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    # attrgetter gives a tuple only for more than one.
    return lambda command: tuple(getattr(command, name) for name in names)


_PROFILE: Final = {
    "title": TITLE_MAX_CHARACTERS,
    "description": _UNBOUNDED,
    "photo_url": _UNBOUNDED,
}
_FIELDS: Final[Mapping[type[AnyCommand], _Fields]] = {
    SendMessage: _Fields(
        ("chat_id", "actor_id", "reply_to_message_id", "forward_message_id"),
        {
            "text": TEXT_MAX_CHARACTERS,
            "message_type": MESSAGE_TYPE_MAX_CHARACTERS,
            "media_id": MEDIA_ID_MAX_CHARACTERS,
            "client_msg_id": CLIENT_MSG_ID_MAX_CHARACTERS,
        },
    ),
    EditMessage: _Fields(("chat_id", "actor_id", "message_id"), {"text": TEXT_MAX_CHARACTERS}),
    DeleteMessage: _Fields(("chat_id", "actor_id", "message_id")),
    MarkRead: _Fields(("chat_id", "actor_id", "message_id")),
    CreateChat: _Fields(("chat_id", "actor_id"), _PROFILE),
    UpdateChat: _Fields(("chat_id", "actor_id"), _PROFILE),
    DeleteChat: _Fields(("chat_id", "actor_id")),
    AddMember: _Fields(("chat_id", "actor_id", "user_id")),
    RemoveMember: _Fields(("chat_id", "actor_id", "user_id")),
    ChangeRole: _Fields(("chat_id", "actor_id", "user_id")),
}


def find_invalid(command: AnyCommand) -> str | None:
    """What is wrong with a command's values, naming the field; None if they can be stored."""
    fields = _FIELDS[type(command)]
    for at, value in enumerate(fields.get_ids(command)):
        if value is not None and not 0 < value <= MAX_ID:
            return f"{fields.ids[at]} is out of range"
    for at, text in enumerate(fields.get_texts(command)):
        if not text:
            continue
        name, max_characters = fields.bounds[at]
        if len(text) > max_characters:
            return f"{name} is longer than {max_characters} characters"
        if not is_storable(text):
            return f"{name} holds characters that can not be stored"
    if isinstance(command, CreateChat) and not all(map(is_id, command.member_ids)):
        return "member_ids is out of range"
    return None


def is_id(value: int) -> bool:
    """Whether it could name anything: 1 to ``MAX_ID``."""
    return 0 < value <= MAX_ID


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half of a surrogate pair."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
