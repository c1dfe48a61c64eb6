"""A commit of unknown outcome that did take effect: everybody hears of it all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from storage.commands import AnyCommand, Duplicate, Outcome
from storage.errors import CommitUnknown, Unavailable
from storage.ids import ChatId
from tests.helpers.actor_world import world
from tests.helpers.cluster_world import Node, SharedLog, node_on
from tests.helpers.commands import add, create, send
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.memory_bus import Network

ANNA, BORIS, CARA, CHAT = 1, 2, 3, 10


def lose_the_next_answer(appender: FakeAppender) -> None:
    commit = appender.append

    async def append(
        commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        appender.append = commit  # type: ignore[method-assign]
        await commit(commands, request_ids)
        raise CommitUnknown("lost in COMMIT")

    appender.append = append  # type: ignore[method-assign]


def commit_late(appender: FakeAppender, after_seconds: float, nursery: trio.Nursery) -> None:
    """The next append fails with an unknown outcome, and is committed only later."""
    commit = appender.append

    async def append(
        commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        appender.append = commit  # type: ignore[method-assign]

        async def later() -> None:
            await trio.sleep(after_seconds)
            await commit(commands, request_ids)

        nursery.start_soon(later)
        raise CommitUnknown("lost in COMMIT")

    appender.append = append  # type: ignore[method-assign]


async def test_a_message(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        lose_the_next_answer(w.appender)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))
        assert isinstance(await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k")), Duplicate)
        await w.ask(CHAT, send(CHAT, BORIS))

    assert anna.seqs == boris.seqs == [1, 2, 3]


async def test_a_new_chat(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        boris = await w.connect(BORIS)
        lose_the_next_answer(w.appender)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        await w.ask(CHAT, send(CHAT, ANNA))

    assert boris.seqs == [1, 2]
    assert [frame["type"] for frame in boris.frames] == [
        "connection_established",
        "chat_created",
        "new_message",
    ]


@pytest.mark.parametrize("after_seconds", [0.5, 5.0, 20.0])
async def test_a_new_chat_that_is_made_late(
    after_seconds: float, autojump_clock: trio.abc.Clock
) -> None:
    """Its actor does not go to sleep over a chat that is not there yet."""
    async with world(ANNA, BORIS) as w, trio.open_nursery() as nursery:
        boris = await w.connect(BORIS)
        commit_late(w.appender, after_seconds, nursery)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        await trio.sleep(60)

    assert boris.seqs == [1]


@pytest.mark.parametrize("after_seconds", [0.5, 5.0, 20.0])
async def test_a_message_that_is_committed_late(
    after_seconds: float, autojump_clock: trio.abc.Clock
) -> None:
    async with world(ANNA, BORIS) as w, trio.open_nursery() as nursery:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        commit_late(w.appender, after_seconds, nursery)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, send(CHAT, ANNA))
        await trio.sleep(2 * after_seconds + 2.0)
        assert anna.seqs == boris.seqs == [1, 2]


async def settle() -> None:
    """Less than the time after which a node looks by itself."""
    await trio.sleep(1.5)


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Node, Node]]:
    log, network = SharedLog((ANNA, BORIS, CARA)), Network()
    async with node_on(log, network) as a, node_on(log, network) as b:
        await trio.sleep(5.1)  # The sweeps have just been.
        yield a, b


async def test_another_node_hears_of_a_message_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with two_nodes() as (a, b):
        await a.ask(CHAT, create(CHAT, ANNA, BORIS))
        boris = await b.connect(BORIS)
        lose_the_next_answer(a.log.appender)
        with pytest.raises(CommitUnknown):
            await a.ask(CHAT, send(CHAT, ANNA))
        await settle()
        assert boris.seqs == [2]


async def test_another_node_hears_at_once_of_who_joined(autojump_clock: trio.abc.Clock) -> None:
    async with two_nodes() as (a, b):
        await a.ask(CHAT, create(CHAT, ANNA, BORIS))
        cara = await b.connect(CARA)
        lose_the_next_answer(a.log.appender)
        with pytest.raises(CommitUnknown):
            await a.ask(CHAT, add(CHAT, ANNA, CARA))
        await settle()
        assert cara.seqs == [2]


async def test_much_that_was_missed_is_told_in_one_word(autojump_clock: trio.abc.Clock) -> None:
    """Nobody is at the node that asks: what others wrote meanwhile is not told again."""
    async with two_nodes() as (a, b):
        await a.ask(CHAT, create(CHAT, ANNA, BORIS))
        boris = await b.connect(BORIS)
        for _ in range(3 * SharedLog.PAGE):
            await b.ask(CHAT, send(CHAT, BORIS))
        told = a.cluster.relay.statistics().told
        lose_the_next_answer(a.log.appender)
        with pytest.raises(CommitUnknown):
            await a.ask(CHAT, send(CHAT, ANNA))
        await settle()
        assert boris.seqs == list(range(2, 3 * SharedLog.PAGE + 3))
        assert a.cluster.relay.statistics().told == told + 1


async def test_looking_again_goes_on_after_the_database_was_away(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: ChatId) -> None:
        raise Unavailable("away")

    async with world(ANNA, BORIS) as w, trio.open_nursery() as nursery:
        boris = await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        commit_late(w.appender, 5.0, nursery)
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, send(CHAT, ANNA))
        await trio.sleep(0.9)
        with monkeypatch.context() as patch:
            patch.setattr(w.log, "load", away)
            await trio.sleep(1.0)
        await trio.sleep(40.0)
        assert boris.seqs == [1, 2]
