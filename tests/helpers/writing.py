"""A running group writer for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.chat.decide import decide
from storage.commands import AnyCommand, Committed, EventAppender, Outcome
from storage.database import Database
from storage.events import DurableEvent
from storage.facts import Decide
from storage.writer import GroupWriter


@asynccontextmanager
async def running_writer(
    database: Database, decide: Decide = decide, **options: Any
) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(database, decide, **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        yield writer
        await writer.aclose()


async def append_one(appender: EventAppender, command: AnyCommand) -> Outcome:
    (outcome,) = await appender.append([command])
    return outcome


async def append_all(appender: EventAppender, *appends: list[AnyCommand]) -> list[list[Outcome]]:
    """Append them at the same time; the outcomes of each, in the order given."""
    answers: list[list[Outcome]] = [[] for _ in appends]

    async def append(index: int) -> None:
        answers[index] = list(await appender.append(appends[index]))

    async with trio.open_nursery() as nursery:
        for index in range(len(appends)):
            nursery.start_soon(append, index)
    return answers


def committed(outcome: Outcome) -> DurableEvent:
    assert isinstance(outcome, Committed), outcome
    return outcome.event
