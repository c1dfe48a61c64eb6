"""How a chat refuses a command."""

from __future__ import annotations

from actors.runtime import Refusal
from storage.commands import RejectReason


class ChatRefused(Refusal):
    """The chat's rules say no: an answer to the asker, never a fault of the actor."""

    def __init__(self, reason: RejectReason, message: str = "") -> None:
        super().__init__(message or reason.value)
        self.reason = reason
        self.message = message
