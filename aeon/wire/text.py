"""Types of fields that requests and frames share, with their limits."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from storage.ids import MAX_ID
from storage.tables import (
    CLIENT_MSG_ID_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    TITLE_MAX_CHARACTERS,
)

DESCRIPTION_MAX_CHARACTERS: Final = 2048
URL_MAX_CHARACTERS: Final = 2048
BIO_MAX_CHARACTERS: Final = 512
USERNAME_PATTERN: Final = r"^@*[A-Za-z0-9_]{1,32}$"


def _storable(text: str) -> str:
    # PostgreSQL stores every character but this one.
    if "\0" in text:
        raise ValueError("must not hold NUL characters")
    return text


def _link(url: str) -> str:
    if url and not url.startswith(("https://", "http://", "/")):
        raise ValueError("must be an http or https address")
    return url


def _whole(number: object) -> object:
    # In JSON 7 and 7.0 are the same number.
    return int(number) if isinstance(number, float) and number.is_integer() else number


class Input(BaseModel):
    """What a client sends. Unknown fields are refused, so that no typing error goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Storable = AfterValidator(_storable)
Whole = BeforeValidator(_whole)
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID), Whole]
"""A JSON number; strings and fractions are refused."""
QueryId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""An id in a query or path, where numbers are text."""
SeqNumber = Annotated[int, Field(strict=True, ge=0, le=MAX_ID), Whole]
Text = Annotated[str, StringConstraints(max_length=TEXT_MAX_CHARACTERS), Storable]
Title = Annotated[str, StringConstraints(max_length=TITLE_MAX_CHARACTERS), Storable]
Description = Annotated[str, StringConstraints(max_length=DESCRIPTION_MAX_CHARACTERS), Storable]
Link = Annotated[
    str, StringConstraints(max_length=URL_MAX_CHARACTERS), Storable, AfterValidator(_link)
]
ClientMsgId = Annotated[
    str, StringConstraints(min_length=1, max_length=CLIENT_MSG_ID_MAX_CHARACTERS), Storable
]
MediaKey = Annotated[str, StringConstraints(min_length=1, max_length=64), Storable]
Username = Annotated[str, StringConstraints(pattern=USERNAME_PATTERN, max_length=64)]
MessageType = Literal["text", "photo", "video", "audio", "voice", "document", "sticker"]
Flag = Annotated[bool, Field(strict=True)]
