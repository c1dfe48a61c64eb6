"""Who makes a request, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.ids import UserId
from storage.records import UserRecord


class Method(StrEnum):
    """How somebody showed who they are."""

    INIT_DATA = "init_data"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated person."""

    user: UserRecord
    method: Method
    session_id: str | None = None
    """The access token's session; None with init data."""

    @property
    def user_id(self) -> UserId:
        """The person's id."""
        return self.user.id
