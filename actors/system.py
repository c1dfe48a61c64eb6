"""The kinds of actors a node runs, and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from actors.chat.actor import ChatActor
from actors.chat.ports import ChatPorts
from actors.runtime import ActorSystem, Props
from actors.user.actor import UserActor
from actors.user.ports import UserPorts
from storage.errors import Unavailable

CHAT: Final = "chat"
USER: Final = "user"


@dataclass(frozen=True, slots=True)
class ActorLimits:
    """Bounds of the two kinds."""

    chat_mailbox: int = 1_000
    """Commands that may wait in one chat; more are answered ``MailboxFull``."""
    chat_batch: int = 256
    """Commands of one chat in one commit at the most."""
    user_mailbox: int = 256
    idle_seconds: float = 300.0
    """A chat without a command for this long goes to sleep."""
    user_idle_seconds: float = 60.0
    """A person's actor sleeps this long after the last connection went."""
    shutdown_seconds: float = 5.0
    """How long a shutdown waits for the actors of one kind."""


def register_kinds(
    system: ActorSystem, *, chat: ChatPorts, user: UserPorts, limits: ActorLimits
) -> None:
    """Tell the system how chats and users are made."""
    system.register(
        CHAT,
        partial(ChatActor, ports=chat),
        Props(
            capacity=limits.chat_mailbox,
            max_batch=limits.chat_batch,
            idle_after_seconds=limits.idle_seconds,
            shutdown_seconds=limits.shutdown_seconds,
            transient=(Unavailable,),
        ),
    )
    system.register(
        USER,
        partial(UserActor, ports=user),
        Props(
            capacity=limits.user_mailbox,
            idle_after_seconds=limits.user_idle_seconds,
            shutdown_seconds=limits.shutdown_seconds,
        ),
    )
