"""Asks a chat's actor to carry out a command."""

from __future__ import annotations

from typing import Final

from aeon import request_ids
from aeon.services import Services
from storage.commands import (
    AlreadyExists,
    AnyCommand,
    Committed,
    CursorMoved,
    Duplicate,
    Unchanged,
)

ASK_SECONDS: Final = 10.0
"""How long a person waits for an answer; then the outcome is unknown to them."""

Answer = Committed | CursorMoved | Duplicate | AlreadyExists | Unchanged


async def ask_chat(services: Services, command: AnyCommand) -> Answer:
    """Have a command decided, committed and handed out.

    Cancellation: the command is carried out all the same, and nobody is told.

    Raises:
        actors.chat.errors.ChatRefused: the chat's rules say no; nothing was written.
        actors.runtime.ActorError: overloaded (nothing was done), or the outcome is unknown.
        storage.errors.StorageError: as ``EventAppender.append``.
    """
    chat = services.chat(command.chat_id)
    answer = await chat.ask(command, timeout_seconds=ASK_SECONDS, trace_id=request_ids.current())
    assert isinstance(answer, Answer), type(answer)
    return answer
