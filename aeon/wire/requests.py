"""What clients send: bodies and queries of REST, and the commands WebSocket shares with it.

Limits are those of storage and are counted in Unicode code points. A field that may be null
means the same as when it is absent, except where a model says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from aeon.errors import FieldFault
from aeon.telegram.init_data import MAX_CHARACTERS as INIT_DATA_MAX_CHARACTERS
from aeon.wire.text import (
    BIO_MAX_CHARACTERS,
    ClientMsgId,
    Description,
    Digits,
    Flag,
    Id,
    Input,
    Link,
    MediaKey,
    MessageType,
    QueryId,
    SeqNumber,
    Storable,
    Text,
    Title,
    Username,
)
from storage.ids import MAX_ID
from storage.tables import CAPTION_MAX_CHARACTERS

MAX_MEMBER_IDS = 200
MAX_PAGE_ITEMS = 100
MAX_EVENTS = 500
MAX_NAME_CHARACTERS = 64
"""Of a field's name in an answer, which a client may have made up."""

ChatTypeName = Literal["private", "group", "channel"]
# Numbers of a query arrive as text.
_Limit = Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS), Digits]
_Position = Annotated[int, Field(ge=0, le=MAX_ID), Digits]


def _fault(field: str, message: str) -> PydanticCustomError:
    """A fault that only the whole shows, and that one field answers for."""
    return PydanticCustomError("fault", "{message}", {"message": message, "field": field})


class SendMessageInput(Input):
    """A new message: text, or a file with or without text."""

    chat_id: Id
    text: Text | None = None
    message_type: MessageType = "text"
    media_id: MediaKey | None = None
    reply_to_message_id: Id | None = None
    client_msg_id: ClientMsgId | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.media_id is None:
            if self.message_type != "text":
                raise _fault("media_id", "a message of this type needs media_id")
            if self.text is None or not self.text.strip():
                raise _fault("text", "a message needs text or media_id")
        elif self.text is not None and len(self.text) > CAPTION_MAX_CHARACTERS:
            raise _fault(
                "text", f"text with a file holds up to {CAPTION_MAX_CHARACTERS} characters"
            )
        return self


class EditMessageInput(Input):
    """New text of a message; null changes nothing, blank text takes a file's caption away."""

    text: Text | None = None


class ForwardMessageInput(Input):
    """A copy of a message for another chat."""

    message_id: Id
    chat_id: Id
    """The target."""
    client_msg_id: ClientMsgId | None = None


class ForwardQuery(Input):
    """``ForwardMessageInput`` as a query, where numbers are text."""

    message_id: QueryId
    chat_id: QueryId
    client_msg_id: ClientMsgId | None = None


class CreateChatInput(Input):
    """A new chat; its creator is its owner."""

    title: Title | None = None
    chat_type: ChatTypeName = "private"
    description: Description | None = None
    photo_url: Link | None = None
    member_ids: Annotated[tuple[Id, ...], Field(max_length=MAX_MEMBER_IDS), FailFast()] = ()
    """Telegram ids. Unknown ones and one's own are skipped."""


class UpdateChatInput(Input):
    """Changes to a chat: null or absent leaves a field, ``""`` clears it."""

    title: Title | None = None
    description: Description | None = None
    photo_url: Link | None = None


class ChangeRoleInput(Input):
    """A member's new role; ``owner`` hands the chat over."""

    role: Literal["admin", "member", "owner"]


class InviteInput(Input):
    """Whom to invite; a leading ``@`` is ignored, and so is case."""

    username: Username


class TokenInput(Input):
    """Init data to trade for an access token."""

    init_data: Annotated[str, StringConstraints(max_length=INIT_DATA_MAX_CHARACTERS)]
    device: Annotated[str, StringConstraints(max_length=255), Storable] | None = None
    """What the person would call this device; shown in the list of sessions."""


class PrivacyInput(Input):
    """What others may see of a person."""

    show_last_seen: Flag = True
    show_read_receipts: Flag = True


class UpdateMeInput(Input):
    """Changes to oneself: null or absent leaves a field, ``""`` clears the bio."""

    bio: Annotated[str, StringConstraints(max_length=BIO_MAX_CHARACTERS), Storable] | None = None
    privacy: PrivacyInput | None = None


class MakeAdminInput(Input):
    """Whom to make an administrator of this server."""

    username: Username


class HistoryQuery(Input):
    """Which messages of a chat: a page (1 is the newest), or a window around an id."""

    page: QueryId = 1
    per_page: _Limit = 50
    before_id: QueryId | None = None
    after_id: _Position | None = None
    around_id: QueryId | None = None
    limit: _Limit | None = None

    @property
    def is_window(self) -> bool:
        """Whether an id, not a page, says where."""
        return any(edge is not None for edge in (self.before_id, self.after_id, self.around_id))

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        edges = [self.before_id, self.after_id, self.around_id]
        if sum(edge is not None for edge in edges) > 1:
            raise ValueError("only one of before_id, after_id, around_id")
        if self.is_window and {"page", "per_page"} & self.model_fields_set:
            raise ValueError("either page and per_page, or an id and limit")
        if not self.is_window and self.limit is not None:
            raise ValueError("limit goes with before_id, after_id or around_id")
        return self


class EventsQuery(Input):
    """Which part of a chat's log."""

    after: _Position = 0
    limit: Annotated[int, Field(ge=1, le=MAX_EVENTS), Digits] = 100


class ReadersQuery(Input):
    """Which part of a message's readers."""

    after_id: QueryId | None = None
    limit: _Limit = 50


class PageQuery(Input):
    """A page of a list."""

    page: Annotated[int, Field(ge=1, le=1_000_000), Digits] = 1
    per_page: _Limit = 50


class MakeAdminQuery(Input):
    """The username, where the body is empty."""

    username: Username | None = None


class LookupQuery(Input):
    """Whom to look up."""

    username: Username


# Commands that only WebSocket sends


class EditMessageCommand(Input):
    """New text of a message; blank text takes a file's caption away."""

    message_id: Id
    text: Text


class DeleteMessageCommand(Input):
    """A message to delete."""

    message_id: Id


class MarkReadCommand(Input):
    """Up to where one has read; without ``message_id``: everything."""

    chat_id: Id
    message_id: Id | None = None


class TypingCommand(Input):
    """One begins or stops typing."""

    chat_id: Id
    is_typing: Flag = False


class ChatCommand(Input):
    """A chat to pause or continue."""

    chat_id: Id


class ResumeCommand(Input):
    """The last ``seq`` seen of each chat."""

    cursors: Annotated[dict[QueryId, SeqNumber], Field(max_length=10_000), FailFast()]
    has_more: Flag = False
    """Further cursors follow in another resume."""


class PingCommand(Input):
    """Is anybody there."""


def field_errors(error: ValidationError) -> Sequence[FieldFault]:
    """Name what pydantic found wrong, without the values that were sent."""
    return [
        FieldFault(
            field=_field_of(fault),
            message=fault["msg"].removeprefix("Value error, "),
            code=_code(fault["type"], fault["loc"]),
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _field_of(fault: ErrorDetails) -> str:
    if fault["type"] == "fault":
        return str(fault["ctx"]["field"])
    return ".".join(str(part)[:MAX_NAME_CHARACTERS] for part in fault["loc"] if part != "[key]")


def _code(kind: str, where: tuple[int | str, ...]) -> str:
    return (
        "message_too_long" if kind == "string_too_long" and where == ("text",) else "invalid_field"
    )
