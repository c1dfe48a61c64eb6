"""A node that operators may look into, and a way to block one of its chats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from pydantic import SecretStr

from actors.services import Writing
from aeon.config import Settings
from aeon.services import Services
from storage.commands import AnyCommand, Outcome

ADMIN_TOKEN = "operators-only-3f9c1e"
ADMIN_ID = 1099


@dataclass
class Blockade:
    """Holds back the commits of some chats, as a writer that hangs would."""

    writing: Writing
    chats: set[int] = field(default_factory=set)
    caught: trio.Event = field(default_factory=trio.Event)
    """Set once a chat's actor has run into it."""
    lifted: trio.Event = field(default_factory=trio.Event)
    """Lets those go that were caught."""

    async def append(self, commands: Sequence[AnyCommand], *more: Any) -> Sequence[Outcome]:
        if any(one.chat_id in self.chats for one in commands):
            self.caught.set()
            await self.lifted.wait()
        return await Writing.append(self.writing, commands, *more)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"admin_token": SecretStr(ADMIN_TOKEN), "admin_telegram_ids": frozenset({ADMIN_ID})}
    )


@pytest.fixture
def blockade(services: Services, monkeypatch: pytest.MonkeyPatch) -> Blockade:
    assert isinstance(services.writer, Writing)
    blockade = Blockade(services.writer)
    monkeypatch.setattr(services.writer, "append", blockade.append)
    return blockade
