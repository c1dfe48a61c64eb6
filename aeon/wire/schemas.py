"""What the server sends, written down for the API description and held by a test.

Nothing is validated against these at run time: ``aeon.wire.encode`` writes the values.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from storage.ids import MAX_ID

Number = Annotated[int, Field(ge=1, le=MAX_ID)]
Position = Annotated[int, Field(ge=0, le=MAX_ID)]
Moment = Annotated[
    AwareDatetime, Field(examples=["2026-11-23T09:00:00.000000Z"], description="ISO 8601, UTC")
]


class Output(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Output):
    """One field that is wrong."""

    field: str
    message: str
    code: str


class ErrorAnswer(Output):
    """Every failure looks like this. Decide by `code`; `error` is for people."""

    error: str
    code: str
    status_code: int
    details: list[ErrorDetail] | None = None
    request_id: str | None = None


class Person(Output):
    """Somebody as others in a shared chat see them. `id` is the Telegram id."""

    id: Number
    telegram_id: Number
    username: str | None
    first_name: str
    last_name: str | None
    profile_photo_url: str | None


class Profile(Person):
    """Somebody who was looked up."""

    bio: str | None
    is_premium: bool


class Account(Person):
    """Oneself."""

    language_code: str
    is_premium: bool
    is_admin: Annotated[bool, Field(description="Administrator of this server")]
    bio: str | None
    created_at: Moment
    updated_at: Moment | None
    is_active: bool
    subordinates: list[Person]
    managers: list[Person]


class CheckedAccount(Account):
    """Oneself, after invitations were looked through."""

    message: str
    accepted: Annotated[int, Field(description="Chats that the invitations opened", ge=0)]


class PrivacySettings(Output):
    """What others may see of a person."""

    show_last_seen: Annotated[
        bool, Field(description="False: nobody is told when they come and go")
    ] = True
    show_read_receipts: Annotated[
        bool,
        Field(
            description="False: nobody learns what this person has read: they are in no"
            " `read_by` and no list of readers, their reading makes no `message_read`, and the"
            " read fields of members are null for others."
        ),
    ] = True


class AccountWithPrivacy(Account):
    """Oneself, with privacy settings."""

    privacy: PrivacySettings


ChatTypeName = Literal["private", "group", "channel"]
RoleName = Literal["owner", "admin", "member"]


class Member(Person):
    """Somebody's place in a chat."""

    is_admin: Annotated[bool, Field(description="Owner or admin of this chat")]
    role: RoleName
    joined_at: Moment
    read_seq: Annotated[
        Position | None,
        Field(description="Everything up to it is read; null: this person hides it"),
    ]
    read_message_id: Number | None


class Chat(Output):
    """A chat with its people."""

    id: Number
    title: str | None
    chat_type: ChatTypeName
    description: str | None
    photo_url: str | None
    created_by: Number
    is_active: Annotated[bool, Field(description="False after deletion")]
    created_at: Moment
    updated_at: Moment | None
    last_seq: Position
    members_count: Annotated[int, Field(ge=1)]
    members: list[Member]


class ChatListItem(Output):
    """One line of the chat list."""

    id: Number
    title: str | None
    chat_type: ChatTypeName
    photo_url: str | None
    last_message: Annotated[str | None, Field(description="Text of the newest message")]
    last_message_time: Moment | None
    unread_count: Annotated[int, Field(ge=0)]
    read_seq: Annotated[Position, Field(description="You have read everything up to it")]
    last_seq: Position
    members_count: Annotated[int, Field(ge=1)]
    role: RoleName


class Message(Output):
    """A message as it stands now."""

    id: Number
    chat_id: Number
    seq: Number
    sender_id: Number
    sender: Person
    text: str | None
    message_type: str
    reply_to_message_id: Number | None
    media_id: str | None
    media_url: str | None
    media_type: str | None
    media_size: int | None
    media_duration: int | None
    width: int | None
    height: int | None
    filename: str | None
    thumbnail_url: str | None
    waveform: list[int] | None
    forward_from_user_id: Number | None
    forward_from_chat_id: Number | None
    client_msg_id: str | None
    is_edited: bool
    is_deleted: bool
    read_by: Annotated[
        list[Number],
        Field(
            description="Others who have read it and show read receipts. Of more than a hundred,"
            " those who have read furthest: `/messages/{message_id}/readers` names all"
        ),
    ]
    created_at: Moment
    updated_at: Moment | None


class MessagePage(Output):
    """A page of messages, the oldest first. Page 1 is the newest; `has_next`: there are older."""

    messages: list[Message]
    total: Annotated[int, Field(ge=0)]
    page: Annotated[int, Field(ge=1)]
    per_page: Annotated[int, Field(ge=1)]
    has_next: bool
    has_prev: bool


class MessageWindow(Output):
    """Messages next to an id, the oldest first."""

    messages: list[Message]
    total: Annotated[int, Field(ge=0)]
    limit: Annotated[int, Field(ge=1)]
    has_next: Annotated[bool, Field(description="There are older ones")]
    has_prev: Annotated[bool, Field(description="There are newer ones")]


class ReaderPage(Output):
    """Who has read a message, by id."""

    users: list[Person]
    total: Annotated[int, Field(ge=0)]
    has_more: bool


class OnlineAnswer(Output):
    """Who is there."""

    online: Annotated[list[Number], Field(description="Members with a connection, by id")]


class Done(Output):
    """It is done."""

    message: str


class InviteAnswer(Output):
    """What an invitation came to."""

    message: str
    status: Literal["added", "invited"]


class ReadAnswer(Output):
    """How far one has read now."""

    message: str
    chat_id: Number
    seq: Position
    unread_count: Annotated[int, Field(ge=0)]
    newly_read: Annotated[int, Field(ge=0)]


class Event(BaseModel):
    """A durable event, as the realtime protocol sends it; further fields depend on its type."""

    model_config = ConfigDict(extra="allow")

    type: Literal[
        "new_message",
        "message_edited",
        "message_deleted",
        "message_read",
        "chat_created",
        "chat_updated",
        "chat_deleted",
        "member_added",
        "member_removed",
        "member_updated",
    ]
    chat_id: Number
    seq: Number


class EventsAnswer(Output):
    """A stretch of a chat's log, without gaps."""

    events: list[Event]
    last_seq: Position
    read_seq: Annotated[Position, Field(description="You have read everything up to it")]
    has_more: bool


class Token(Output):
    """An access token; it is not shown again."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="Seconds", ge=1)]
    session_id: str


class SessionItem(Output):
    """An access token that still stands."""

    id: str
    device: str | None
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None
    is_current: bool


class Revoked(Output):
    """How many sessions ended."""

    message: str
    revoked: Annotated[int, Field(ge=0)]


RedisState = Annotated[
    Literal["connected", "away", "refuses"] | None,
    Field(
        description="Whether this node and the others hear each other; `refuses`: Redis answers,"
        " and does not let it tell them what happens or who is here. Left out where there are none"
    ),
]


class Health(Output):
    """Whether the process is alive; always 200."""

    status: Literal["healthy"]
    database: Annotated[str, Field(description='"connected", or "error: ..."')]
    version: str
    redis: RedisState = None


class Readiness(Output):
    """Whether to send traffic here; 503 when not."""

    status: Literal["ready", "draining", "unavailable", "schema_outdated"]
    redis: RedisState = None


class CorsTest(Output):
    """Whether the front-end may read this."""

    message: str
    status: Literal["success"]
    cors_enabled: bool
