"""What operators may ask for; a wrong value is refused with the field's name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from aeon.wire.text import Digits, Input, QueryId

MAX_ROWS = 500
MAX_OFFSET = 1_000_000

_Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
# Numbers of a query arrive as text.
_Limit = Annotated[int, Field(ge=1, le=MAX_ROWS), Digits]
_Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET), Digits]


class ActorQuery(Input):
    """Which actors, in which order, which part of the list."""

    kind: _Name | None = None
    state: Literal["starting", "idle", "busy", "backoff", "stopping"] | None = None
    parent: _Name | None = None
    q: Annotated[
        str | None,
        StringConstraints(max_length=64),
        Field(description="Part of the address, such as `chat/12`; upper or lower case"),
    ] = None
    sort: Annotated[
        Literal["busiest", "depth", "current", "oldest", "handled", "restarts", "idle", "address"],
        Field(description="The largest first; by `address` the smallest"),
    ] = "busiest"
    limit: _Limit = 100
    offset: _Offset = 0


class SessionQuery(Input):
    """Whose connections, which part of the list."""

    user_id: QueryId | None = None
    limit: _Limit = 100
    offset: _Offset = 0


class AuditQuery(Input):
    """How much of the trail."""

    limit: _Limit = 100
