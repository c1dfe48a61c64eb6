"""What a user actor needs from outside, and the messages it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from actors.delivery.fanout import Fanout
from actors.delivery.session import Session
from actors.runtime import Refusal
from storage.ids import UserId


class PresenceBoard(Protocol):
    """Where people's coming and going is announced."""

    def announce(self, user_id: UserId, *, is_online: bool) -> None:
        """Note a change; never waits. Changes of one person may be merged."""
        ...

    def is_here(self, user_id: UserId) -> bool:
        """Say whether a person was last noted as online on this node."""
        ...


class ArrivalBoard(Protocol):
    """Where it is said who is connected to this node, before and after."""

    async def enter(self, user_id: UserId) -> None:
        """Have a person's chats followed; nothing newer of them passes unnoticed afterwards.

        Raises:
            storage.errors.StorageError: not now; the person must not be attached.
        """
        ...

    def leave(self, user_id: UserId) -> None:
        """Stop that: the person has no connection here."""
        ...


@dataclass(frozen=True, slots=True)
class UserPorts:
    """The user actor's world."""

    fanout: Fanout
    presence: PresenceBoard
    offline_grace_seconds: float = 5.0
    """How long a person without a connection still counts as online: a reload takes less."""
    max_sessions: int = 16
    """Connections a person may hold; one more replaces the oldest."""
    arrivals: ArrivalBoard | None = None
    """None: this is the only node."""


class AttachRefused(Refusal):
    """The person's chats could not be looked up; nothing was attached."""


@dataclass(frozen=True, slots=True)
class Attach:
    """A connection is authenticated: greet it, and deliver to it from the same moment on."""

    session: Session
    greeting: bytes


@dataclass(frozen=True, slots=True)
class Detach:
    """A connection is gone."""

    session: Session


@dataclass(frozen=True, slots=True)
class GraceOver:
    """Timer: the person did not come back in time."""


UserMessage = Attach | Detach | GraceOver
