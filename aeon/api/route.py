"""A line of the route table, what a handler is given, and what it gives back.

The table is the only list of routes: requests are dispatched by it, and ``/openapi.json`` is
written from it, so the two can not drift apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from aeon.auth.principal import Principal
from aeon.errors import EdgeError, FieldFault, InvalidInput
from aeon.limits import Kind
from aeon.services import Services
from aeon.wire.links import Links
from storage.ids import MAX_ID, ChatId, MessageId, UserId

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back: JSON-ready values and how to send them."""

    value: object = None
    status: int = 200
    etag: str | None = None
    """None: taken from the content, for a GET."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    """Of a value that is bytes, or an iterator over the bytes of a stream."""

    @classmethod
    def not_modified(cls, etag: str) -> Answer:
        """Tell the client that what it has is still right."""
        return cls(status=304, etag=etag)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: who, and what they want."""

    services: Services
    path: Mapping[str, str]
    base_url: str
    """Scheme and host the client used, without a slash at the end."""
    if_none_match: str | None = None
    maybe_principal: Principal | None = None
    maybe_query: BaseModel | None = None
    maybe_body: BaseModel | None = None

    @property
    def links(self) -> Links:
        """Links to files, under the address that this client uses."""
        return self.services.media.links.for_origin(self.base_url)

    @property
    def principal(self) -> Principal:
        """Who asks; only on routes that need a log-in."""
        if self.maybe_principal is None:
            raise EdgeError("init_data_missing")
        return self.maybe_principal

    @property
    def chat_id(self) -> ChatId:
        """The path's chat."""
        return ChatId(self._number("chat_id"))

    @property
    def message_id(self) -> MessageId:
        """The path's message."""
        return MessageId(self._number("message_id"))

    @property
    def user_id(self) -> UserId:
        """The path's person."""
        return UserId(self._number("user_id"))

    def query(self, model: type[ModelT]) -> ModelT:
        """Give the query; ``model`` is the route's."""
        assert isinstance(self.maybe_query, model)
        return self.maybe_query

    def body(self, model: type[ModelT]) -> ModelT:
        """Give the body; ``model`` is the route's."""
        assert isinstance(self.maybe_body, model)
        return self.maybe_body

    def has(self, etag: str) -> bool:
        """Tell whether the client has this version already (weak comparison)."""
        return is_match(self.if_none_match, etag)

    def _number(self, name: str) -> int:
        text = self.path[name]
        if text.isascii() and text.isdigit() and len(text) <= 16 and 0 < int(text) <= MAX_ID:
            return int(text)
        raise InvalidInput([FieldFault(name, f"a number from 1 to {MAX_ID}")])


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    """As in OpenAPI, with ``{names}``; both forms of trailing slash are served."""
    handler: Handler
    summary: str
    tag: str
    returns: object
    """Type of a good answer, for the description: a model, or a list of one."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    is_body_optional: bool = False
    needs_login: bool = True
    for_operators: bool = False
    """Only ADMIN_TELEGRAM_IDS and ADMIN_TOKEN get in, and every request is written down."""
    rate: Kind | None = None
    errors: tuple[str, ...] = ()
    """Codes beyond those that come with the above."""
    example: object = None
    """Of a good answer."""
    body_example: object = None
    media_type: str = "application/json"
    """Of a good answer."""

    @property
    def name(self) -> str:
        """Unique name of the operation."""
        return self.handler.__name__.removeprefix("_")

    @property
    def description(self) -> str:
        """The handler's docstring."""
        return inspect.getdoc(self.handler) or ""


def is_match(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly, as RFC 9110 (13.1.2) wants for If-None-Match."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    wanted = etag.removeprefix("W/")
    return any(
        candidate.strip().removeprefix("W/") == wanted for candidate in if_none_match.split(",")
    )
