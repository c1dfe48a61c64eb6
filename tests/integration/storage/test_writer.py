"""The group writer on a real PostgreSQL: batches, counts, races between nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.chat.decide import decide
from storage.commands import (
    AlreadyExists,
    AnyCommand,
    Committed,
    Duplicate,
    Outcome,
    Rejected,
    RejectReason,
    SendMessage,
)
from storage.database import Database
from storage.errors import CommitUnknown, Overloaded, Unavailable
from storage.events import MessageSent
from storage.facts import ChatFacts, Decision
from storage.records import ChatType
from storage.writer import GroupWriter
from tests.helpers.commands import create, delete, edit, read, send, update
from tests.helpers.people import add_people
from tests.helpers.soundness import assert_sound
from tests.helpers.writing import append_all, append_one, committed, running_writer


@pytest.fixture
async def people(database: Database) -> Database:
    await add_people(database, range(1, 60))
    return database


@pytest.fixture
async def writer(people: Database) -> AsyncIterator[GroupWriter]:
    async with running_writer(people, lanes=1) as running:
        yield running


async def create_chats(writer: GroupWriter, count: int) -> None:
    await append_all(
        writer, *([create(chat, chat, 50, title=f"Chat {chat}")] for chat in range(1, count + 1))
    )


async def count_messages(database: Database) -> int:
    async with database.connection() as conn:
        row = await conn.fetch_one("SELECT count(*) FROM messages")
    assert row is not None
    return int(row[0])


async def test_many_chats_in_one_transaction(people: Database, writer: GroupWriter) -> None:
    await create_chats(writer, 40)
    before = people.statistics()
    appends: list[list[AnyCommand]] = [
        [send(chat, chat, client_msg_id=f"{chat}-{n}") for n in range(3)] for chat in range(1, 41)
    ]
    answers = await append_all(writer, *appends)
    after = people.statistics()

    assert all(isinstance(outcome, Committed) for answer in answers for outcome in answer)
    # All 120 wait for the same tick: one transaction, two round trips, seven statements.
    assert after.commits - before.commits == 1
    assert after.round_trips - before.round_trips == 2
    assert after.queries - before.queries == 7
    sizes = writer.statistics().batch_commands
    assert sizes.counts[sizes.bounds.index(128)] == 1
    await assert_sound(people)


async def test_the_number_of_statements_does_not_grow(
    people: Database, writer: GroupWriter
) -> None:
    """Every kind of command at once, in one chat and in thirty."""
    await create_chats(writer, 30)
    costs = []
    for chats in (1, 30):
        sent = await append_all(writer, *([send(chat, 50)] for chat in range(1, chats + 1)))
        appends: list[list[AnyCommand]] = []
        for chat, answer in enumerate(sent, 1):
            event = committed(answer[0])
            assert isinstance(event, MessageSent)
            appends.append(
                [
                    send(chat, chat, reply_to_message_id=event.message.id, client_msg_id=f"{chat}"),
                    send(chat, 50, None, forward_message_id=event.message.id),
                    edit(chat, 50, event.message.id),
                    read(chat, chat),
                    update(chat, chat, title=f"{chats}"),
                    delete(chat, 50, event.message.id),
                ]
            )
        before = people.statistics()
        await append_all(writer, *appends)
        after = people.statistics()
        costs.append((after.round_trips - before.round_trips, after.queries - before.queries))

    assert costs[0] == costs[1]
    assert costs[0][0] == 2
    await assert_sound(people)


async def test_while_a_commit_runs_the_next_batch_gathers(
    people: Database, writer: GroupWriter
) -> None:
    await create_chats(writer, 20)
    before = writer.statistics()
    async with people.transaction("hold") as conn:
        await conn.execute("SELECT 1 FROM chats WHERE id = 1 FOR UPDATE")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append_one, writer, send(1, 1))
            await wait_all_tasks_blocked()
            while writer.statistics().in_flight_commands == 0:
                await trio.lowlevel.checkpoint()
            for chat in range(1, 21):
                nursery.start_soon(append_one, writer, send(chat, chat))
            while writer.statistics().queued_commands < 20:
                await trio.lowlevel.checkpoint()
            await conn.fetch_many([], commit=True)
    after = writer.statistics()

    assert after.commits - before.commits == 2
    await assert_sound(people)


async def test_lanes_never_hold_the_same_chat(people: Database) -> None:
    async with running_writer(people, lanes=2, max_batch_commands=4) as writer:
        await create_chats(writer, 6)
        await append_all(
            writer, *([send(chat % 6 + 1, 50), send(chat % 6 + 1, 50)] for chat in range(60))
        )
        assert writer.statistics().retries == 0
    assert await count_messages(people) == 120
    await assert_sound(people)


async def test_what_waits_is_shared_among_the_lanes(people: Database) -> None:
    """So that PostgreSQL works for one while Python works for another; but not into crumbs."""
    async with running_writer(people, lanes=3) as writer:
        await create_chats(writer, 59)
        for chats, each, transactions in ((30, 1, 1), (59, 1, 2), (59, 4, 3)):
            before = writer.statistics()
            await append_all(writer, *([send(chat, 50)] * each for chat in range(1, chats + 1)))
            after = writer.statistics()
            assert after.commits - before.commits == transactions
    await assert_sound(people)


async def test_appends_of_a_chat_keep_their_order(people: Database) -> None:
    """Also when they wait for a busy chat, and over many small transactions."""
    handed: dict[int, list[str]] = {1: [], 2: []}
    async with running_writer(people, lanes=2, max_batch_commands=3) as writer:
        await create_chats(writer, 2)

        async def talk(number: int) -> None:
            for turn in range(5):
                chat = (number + turn) % 2 + 1
                texts = [f"{number}-{turn}-{part}" for part in range(turn % 3 + 1)]
                # Handing over is one step with this: nobody comes between.
                handed[chat] += texts
                await writer.append([send(chat, 50, text) for text in texts])

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(talk, number)
    async with people.connection() as conn:
        for chat, texts in handed.items():
            rows = await conn.fetch_all(
                "SELECT text FROM messages WHERE chat_id = %(chat)s ORDER BY seq", {"chat": chat}
            )
            assert [text for (text,) in rows] == texts
    await assert_sound(people)


class Poison:
    """Rules with a defect: they crash on one text."""

    def __call__(self, state: ChatFacts, command: AnyCommand, now: datetime) -> Decision:
        if isinstance(command, SendMessage) and command.text == "poison":
            raise ZeroDivisionError("a defect")
        return decide(state, command, now)


async def test_a_defect_hits_only_the_one_who_met_it(people: Database) -> None:
    async with running_writer(people, Poison()) as writer:
        await create_chats(writer, 10)
        failed: list[Exception] = []

        async def append(chat: int) -> None:
            try:
                await append_one(writer, send(chat, chat, "poison" if chat == 7 else "fine"))
            except ZeroDivisionError as error:
                failed.append(error)

        async with trio.open_nursery() as nursery:
            for chat in range(1, 11):
                nursery.start_soon(append, chat)
        assert len(failed) == 1
        assert writer.statistics().defects == 1
        assert isinstance(await append_one(writer, send(7, 7)), Committed)
    assert await count_messages(people) == 10
    await assert_sound(people)


async def test_half_an_append_before_a_defect_is_unknown(people: Database) -> None:
    """Its first message is stored: "nothing was written" would be a lie."""
    async with running_writer(people, Poison()) as writer:
        await create_chats(writer, 1)
        with pytest.raises(CommitUnknown):
            await writer.append([send(1, 1, client_msg_id="k"), send(1, 1, "poison")])
        assert isinstance(await append_one(writer, send(1, 1, client_msg_id="k")), Duplicate)
    await assert_sound(people)


async def test_what_postgresql_refuses_fails_alone(people: Database) -> None:
    """Whatever the reason: here a constraint that only this database has."""
    async with people.connection() as conn:
        await conn.execute("ALTER TABLE messages ADD CONSTRAINT odd CHECK (text <> 'odd')")
        await conn.execute(
            "ALTER TABLE messages ADD CONSTRAINT number CHECK (text !~ '^[0-9]' OR text::int > 0)"
        )
    async with running_writer(people) as writer:
        await create_chats(writer, 10)
        texts = {3: "odd", 5: "1e9", 8: "odd"}
        answers = await append_all(
            writer, *([send(chat, chat, texts.get(chat, "even"))] for chat in range(1, 11))
        )
        refused = {chat for chat, (o,) in enumerate(answers, 1) if isinstance(o, Rejected)}
        assert refused == set(texts)
        mixed = await writer.append([send(1, 1, "even"), send(1, 1, "odd"), send(1, 1, "even")])
        assert [type(outcome) for outcome in mixed] == [Committed, Rejected, Committed]
    assert await count_messages(people) == 9
    await assert_sound(people)


class TestTwoNodes:
    """Two writers on two pools, as two processes would be."""

    @pytest.fixture
    async def writers(
        self, people: Database, database_url: str
    ) -> AsyncIterator[list[GroupWriter]]:
        async with (
            Database.open(database_url) as other,
            running_writer(people) as one,
            running_writer(other) as two,
        ):
            yield [one, two]

    async def test_one_chat_stays_dense_and_in_order(
        self, people: Database, writers: list[GroupWriter]
    ) -> None:
        await create_chats(writers[0], 2)
        seqs: list[int] = []

        async def talk(writer: GroupWriter, sender: int) -> None:
            for n in range(30):
                command = send(1 + n % 2, 50, client_msg_id=f"{sender}-{n}")
                seqs.append(committed(await append_one(writer, command)).seq)

        async with trio.open_nursery() as nursery:
            for sender in range(4):
                nursery.start_soon(talk, writers[sender % 2], sender)
        assert Counter(seqs) == dict.fromkeys(range(2, 62), 2)
        await assert_sound(people)

    async def test_the_same_key_at_once_is_one_message(
        self, people: Database, writers: list[GroupWriter]
    ) -> None:
        await create_chats(writers[0], 5)
        outcomes: dict[str, list[Outcome]] = {}

        async def push(writer: GroupWriter, key: str, chat: int) -> None:
            outcome = await append_one(writer, send(chat, 50, client_msg_id=key))
            outcomes.setdefault(key, []).append(outcome)

        async with trio.open_nursery() as nursery:
            for n in range(40):
                for writer in writers:
                    nursery.start_soon(push, writer, f"k{n}", n % 5 + 1)
        for answers in outcomes.values():
            assert {type(outcome) for outcome in answers} == {Committed, Duplicate}
            first, second = (
                outcome.event for outcome in answers if isinstance(outcome, Committed | Duplicate)
            )
            assert first.seq == second.seq
        assert await count_messages(people) == 40
        await assert_sound(people)

    async def test_the_same_key_in_two_chats_at_once(
        self, people: Database, writers: list[GroupWriter]
    ) -> None:
        """Locks of different chats do not help: the unique key decides."""
        await create_chats(writers[0], 40)
        kinds: dict[str, list[object]] = {}

        async def push(writer: GroupWriter, key: str, chat: int) -> None:
            outcome = await append_one(writer, send(chat, 50, client_msg_id=key))
            kind = outcome.reason if isinstance(outcome, Rejected) else type(outcome)
            kinds.setdefault(key, []).append(kind)

        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(push, writers[0], f"k{n}", n + 1)
                # The other node comes to the keys from the other end.
                nursery.start_soon(push, writers[1], f"k{19 - n}", 40 - n)
        for answers in kinds.values():
            assert set(answers) == {Committed, RejectReason.CLIENT_MSG_ID_REUSED}
        assert await count_messages(people) == 20
        await assert_sound(people)

    async def test_a_pair_that_meets_from_both_sides(
        self, people: Database, writers: list[GroupWriter]
    ) -> None:
        outcomes: dict[int, list[Outcome]] = {}

        async def meet(writer: GroupWriter, chat: int, who: int, other: int) -> None:
            command = create(chat, who, other, type=ChatType.PRIVATE, title=None)
            outcomes.setdefault(min(who, other), []).append(await append_one(writer, command))

        async with trio.open_nursery() as nursery:
            for pair in range(1, 21):
                nursery.start_soon(meet, writers[0], pair, pair, pair + 20)
                nursery.start_soon(meet, writers[1], pair + 100, pair + 20, pair)
        for answers in outcomes.values():
            assert {type(outcome) for outcome in answers} == {Committed, AlreadyExists}
        await assert_sound(people)

    async def test_a_creation_retried_at_the_other_node(
        self, people: Database, writers: list[GroupWriter]
    ) -> None:
        outcomes: list[Outcome] = []

        async def push(writer: GroupWriter, chat: int) -> None:
            outcomes.append(await append_one(writer, create(chat, 1, 2, 3, title="Trip")))

        async with trio.open_nursery() as nursery:
            for chat in range(1, 7):
                nursery.start_soon(push, writers[chat % 2], chat)
        assert Counter(map(type, outcomes)) == {Committed: 1, AlreadyExists: 5}
        await assert_sound(people)


class TestPressure:
    async def test_a_full_queue_refuses(self, people: Database) -> None:
        writer = GroupWriter(people, decide, max_queued_commands=10)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(writer.append, [send(1, 1), send(1, 1)])
            await wait_all_tasks_blocked()
            assert writer.statistics().queued_commands == 10
            with pytest.raises(Overloaded):
                await writer.append([send(2, 2)])
            assert writer.statistics().refused == 1
            await nursery.start(writer.run)
            await writer.aclose()
        assert writer.statistics().queued_commands == 0

    async def test_closing_flushes(self, people: Database) -> None:
        writer = GroupWriter(people, decide, max_batch_commands=3)
        outcomes: list[Outcome] = []

        async def push(chat: int) -> None:
            outcomes.append(await append_one(writer, create(chat, chat, title=f"{chat}")))

        async with trio.open_nursery() as nursery:
            for chat in range(1, 11):
                nursery.start_soon(push, chat)
            await wait_all_tasks_blocked()
            await nursery.start(writer.run)
            await writer.aclose()
            with pytest.raises(Unavailable):
                await writer.append([send(1, 1)])
        assert Counter(map(type, outcomes)) == {Committed: 10}

    async def test_a_caller_that_leaves_undoes_nothing(self, people: Database) -> None:
        writer = GroupWriter(people, decide)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(writer.append, [create(1, 1)])
                await wait_all_tasks_blocked()
                scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            assert isinstance(await append_one(writer, send(1, 1)), Committed)
            await writer.aclose()

    async def test_everybody_is_answered_when_it_is_cancelled(self, people: Database) -> None:
        writer = GroupWriter(people, decide, max_batch_commands=1, lanes=1)
        errors: dict[int, type[Exception]] = {}

        async def push(chat: int) -> None:
            try:
                await writer.append([create(chat, chat)])
            except (Unavailable, CommitUnknown) as error:
                errors[chat] = type(error)

        async with people.transaction("hold") as conn:
            # A creator's lock is held, so the first creation stays on its way.
            await conn.execute("SELECT pg_advisory_xact_lock(1)")
            async with trio.open_nursery() as callers:
                callers.start_soon(push, 1)
                await wait_all_tasks_blocked()
                async with trio.open_nursery() as nursery:
                    await nursery.start(writer.run)
                    while not writer.statistics().in_flight_commands:
                        await trio.lowlevel.checkpoint()
                    callers.start_soon(push, 2)
                    await wait_all_tasks_blocked()
                    nursery.cancel_scope.cancel()
        assert errors == {1: CommitUnknown, 2: Unavailable}

    async def test_closing_what_never_ran(self, people: Database) -> None:
        writer = GroupWriter(people, decide)
        async with trio.open_nursery() as nursery:

            async def push() -> None:
                with pytest.raises(Unavailable):
                    await writer.append([send(1, 1)])

            nursery.start_soon(push)
            await wait_all_tasks_blocked()
            await writer.aclose()
