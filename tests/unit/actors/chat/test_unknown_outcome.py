"""A commit of unknown outcome that did take effect: everybody hears of it all the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from storage.commands import AnyCommand, Duplicate, Outcome
from storage.errors import CommitUnknown
from tests.helpers.actor_world import World, world
from tests.helpers.commands import create, send

ANNA, BORIS, CHAT = 1, 2, 10


def lose_the_next_answer(w: World) -> None:
    commit = w.appender.append

    async def append(
        commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        w.appender.append = commit  # type: ignore[method-assign]
        await commit(commands, request_ids)
        raise CommitUnknown("lost in COMMIT")

    w.appender.append = append  # type: ignore[method-assign]


async def test_a_message(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        lose_the_next_answer(w)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))
        assert isinstance(await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k")), Duplicate)
        await w.ask(CHAT, send(CHAT, BORIS))

    assert anna.seqs == boris.seqs == [1, 2, 3]


async def test_a_new_chat(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        boris = await w.connect(BORIS)
        lose_the_next_answer(w)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        await w.ask(CHAT, send(CHAT, ANNA))

    assert boris.seqs == [1, 2]
    assert [frame["type"] for frame in boris.frames] == [
        "connection_established",
        "chat_created",
        "new_message",
    ]
