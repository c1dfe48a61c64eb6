"""Types of fields that requests and frames share, with their limits."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
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
MAX_UNKNOWN_NAMED: Final = 10
_DIGITS: Final = re.compile(r"-?[0-9]{1,20}")


def _storable(text: str) -> str:
    # PostgreSQL stores every character but this one.
    if "\0" in text:
        raise ValueError("must not hold NUL characters")
    return text


def _link(url: str) -> str:
    if url and not (url.startswith(("https://", "http://", "/")) and _is_address(url)):
        raise ValueError("must be an http or https address")
    return url


def _is_address(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def _whole(number: object) -> object:
    # In JSON 7 and 7.0 are the same number.
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _digits(number: object) -> object:
    # Python's own reading lets " 7", "+7", "7.0" and "1_0" pass.
    if isinstance(number, str) and not _DIGITS.fullmatch(number):
        raise ValueError("must be a whole number")
    return number


class Input(BaseModel):
    """What a client sends. Unknown fields are refused, so that no typing error goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _name_few(cls, given: object) -> object:
        # Naming a field that is wrong costs fifty times what sending it does: of many unknown
        # ones only the first are looked at.
        if not isinstance(given, dict) or len(given) <= len(cls.model_fields) + MAX_UNKNOWN_NAMED:
            return given
        unknown = [name for name in given if name not in cls.model_fields]
        ignored = set(unknown[MAX_UNKNOWN_NAMED:])
        return {name: value for name, value in given.items() if name not in ignored}


Storable = AfterValidator(_storable)
Whole = BeforeValidator(_whole)
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID), Whole]
"""A JSON number; strings and fractions are refused."""
Digits = BeforeValidator(_digits)
"""Where numbers are text, in a query or as a key."""
QueryId = Annotated[int, Field(ge=1, le=MAX_ID), Digits]
"""An id in a query."""
SeqNumber = Annotated[int, Field(strict=True, ge=0, le=MAX_ID), Whole]
Text = Annotated[str, StringConstraints(max_length=TEXT_MAX_CHARACTERS), Storable]
Title = Annotated[str, StringConstraints(max_length=TITLE_MAX_CHARACTERS), Storable]
Description = Annotated[str, StringConstraints(max_length=DESCRIPTION_MAX_CHARACTERS), Storable]
Link = Annotated[
    str,
    StringConstraints(max_length=URL_MAX_CHARACTERS),
    Storable,
    AfterValidator(_link),
    Field(json_schema_extra={"pattern": "^$|^https?://|^/"}),
]
ClientMsgId = Annotated[
    str, StringConstraints(min_length=1, max_length=CLIENT_MSG_ID_MAX_CHARACTERS), Storable
]
MediaKey = Annotated[str, StringConstraints(min_length=1, max_length=64), Storable]
Username = Annotated[str, StringConstraints(pattern=USERNAME_PATTERN, max_length=64)]
MessageType = Literal["text", "photo", "video", "audio", "voice", "document", "sticker"]
Flag = Annotated[bool, Field(strict=True)]
