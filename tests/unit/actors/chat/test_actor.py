"""The chat actor over an in-memory log, in virtual time."""

import pytest
import trio
import trio.testing

from actors.chat.errors import ChatRefused
from actors.chat.ports import SetTyping
from actors.runtime import ActorError, Address
from actors.system import CHAT as CHAT_KIND
from storage.commands import Committed, CursorMoved, Duplicate, RejectReason
from storage.errors import CommitUnknown, Unavailable
from storage.ids import UserId
from tests.helpers.actor_world import world
from tests.helpers.commands import add, create, read, remove, send

ANNA, BORIS, CLARA = 1, 2, 3
CHAT = 10


async def test_a_commit_is_answered_and_handed_out(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        outcome = await w.ask(CHAT, send(CHAT, ANNA, "Hello"))

    assert isinstance(outcome, Committed)
    assert anna.seqs == boris.seqs == [1, 2]
    assert boris.frames[-1]["message"]["text"] == "Hello"
    assert anna.transport.payloads[-1] is boris.transport.payloads[-1]


async def test_what_waits_is_one_append_and_one_write(autojump_clock: trio.abc.Clock) -> None:
    """The actor is held up in its first load while the sends queue up."""
    async with world(ANNA) as w:
        anna = await w.connect(ANNA)
        await w.ask(CHAT, create(CHAT, ANNA))
        for number in range(20):
            assert w.tell(CHAT, send(CHAT, ANNA, f"{number}"))
        await w.ask(CHAT, send(CHAT, ANNA, "last"))

    assert [len(append) for append in w.appender.appends] == [1, 21]
    assert len(anna.transport.writes[-1]) == 21


async def test_a_refusal_is_an_answer_and_not_a_crash(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, CLARA) as w:
        await w.ask(CHAT, create(CHAT, ANNA))
        with pytest.raises(ChatRefused) as refusal:
            await w.ask(CHAT, send(CHAT, CLARA))
        await w.ask(CHAT, send(CHAT, ANNA))

    assert refusal.value.reason is RejectReason.NOT_A_MEMBER
    assert w.log.loads == 1


async def test_chats_that_are_not_there_keep_no_actor(autojump_clock: trio.abc.Clock) -> None:
    """Ids that somebody made up; a chat that is there stays, though it was refused as well."""
    async with world(ANNA, CLARA) as w:
        await w.ask(CHAT, create(CHAT, ANNA))
        for made_up in range(CHAT, CHAT + 20):
            for message in (send(made_up, CLARA), SetTyping(UserId(CLARA), is_typing=True)):
                with pytest.raises(ChatRefused) as refusal:
                    await w.ask(made_up, message)
                assert refusal.value.reason is RejectReason.NOT_A_MEMBER
        await trio.testing.wait_all_tasks_blocked()
        living = [row.address.key for row in w.system.snapshot("chat").actors]

    assert living == [CHAT]


async def test_a_chat_that_is_made_behind_a_guess_of_its_id_is_handed_out(
    autojump_clock: trio.abc.Clock,
) -> None:
    """Its actor is about to sleep when the creation comes: the next one takes it."""
    async with world(ANNA, BORIS, CLARA) as w:
        boris = await w.connect(BORIS)
        for chat_id in range(CHAT, CHAT + 10):
            assert w.tell(chat_id, send(chat_id, CLARA))
            for _ in range(chat_id - CHAT):  # Wherever the actor is on its way to sleep.
                await trio.lowlevel.checkpoint()
            assert w.tell(chat_id, create(chat_id, ANNA, BORIS))
            assert w.tell(chat_id, send(chat_id, CLARA))
            outcome = await w.ask(chat_id, send(chat_id, ANNA))
            assert isinstance(outcome, Committed)

    assert boris.seqs == [1, 2] * 10


async def test_a_repeat_is_answered_and_not_handed_out(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA) as w:
        anna = await w.connect(ANNA)
        await w.ask(CHAT, create(CHAT, ANNA))
        first = await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))
        again = await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))

    assert isinstance(first, Committed)
    assert isinstance(again, Duplicate)
    assert again.event == first.event
    assert anna.seqs == [1, 2]


async def test_members_receive_from_the_moment_they_are_members(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world(ANNA, BORIS) as w:
        boris = await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA))
        await w.ask(CHAT, send(CHAT, ANNA, "before"))
        await w.ask(CHAT, add(CHAT, ANNA, BORIS))
        await w.ask(CHAT, send(CHAT, ANNA, "while"))
        await w.ask(CHAT, remove(CHAT, ANNA, BORIS))
        await w.ask(CHAT, send(CHAT, ANNA, "after"))

    assert [frame["type"] for frame in boris.frames if "seq" in frame] == [
        "member_added",
        "new_message",
        "member_removed",
    ]


async def test_a_removal_in_the_middle_of_a_batch_cuts_in_the_middle(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world(ANNA, BORIS) as w:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        w.tell(CHAT, send(CHAT, ANNA, "seen"))
        w.tell(CHAT, remove(CHAT, ANNA, BORIS))
        await w.ask(CHAT, send(CHAT, ANNA, "unseen"))

    assert [len(append) for append in w.appender.appends] == [1, 3]
    assert anna.seqs == [1, 2, 3, 4]
    assert boris.seqs == [1, 2, 3]


async def test_when_the_database_is_away_nothing_restarts(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA) as w:
        await w.ask(CHAT, create(CHAT, ANNA))
        w.appender.errors.append(Unavailable("away"))
        with pytest.raises(Unavailable):
            await w.ask(CHAT, send(CHAT, ANNA))
        await w.ask(CHAT, send(CHAT, ANNA))

    assert w.log.loads == 1


async def test_an_unknown_outcome_is_told_and_makes_the_actor_load_afresh(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world(ANNA) as w:
        anna = await w.connect(ANNA)
        await w.ask(CHAT, create(CHAT, ANNA))
        w.appender.errors.append(CommitUnknown("lost in COMMIT"))
        with pytest.raises(CommitUnknown):
            await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))
        await w.ask(CHAT, send(CHAT, ANNA, client_msg_id="k"))

    assert w.log.loads == 2
    assert anna.seqs == [1, 2]


async def test_events_of_another_node_come_first(autojump_clock: trio.abc.Clock) -> None:
    """Five events are committed behind the actor's back: they are read from the log."""
    async with world(ANNA) as w:
        anna = await w.connect(ANNA)
        await w.ask(CHAT, create(CHAT, ANNA))
        for number in range(5):
            await w.appender.append([send(CHAT, ANNA, f"elsewhere {number}")])
        await w.ask(CHAT, send(CHAT, ANNA, "here"))

    assert anna.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert anna.frames[-1]["message"]["text"] == "here"


async def test_typing_is_told_to_the_others_and_ends_by_itself(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world(ANNA, BORIS) as w:
        anna, boris = await w.connect(ANNA), await w.connect(BORIS)
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        await w.ask(CHAT, SetTyping(UserId(ANNA), is_typing=True))
        await trio.sleep(5.9)
        before = [frame["is_typing"] for frame in boris.transient]
        await trio.sleep(0.2)

    assert before == [True]
    assert [frame["is_typing"] for frame in boris.transient] == [True, False]
    assert anna.transient == []


async def test_who_is_removed_while_typing_types_no_more(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        await w.ask(CHAT, SetTyping(UserId(BORIS), is_typing=True))
        await w.ask(CHAT, remove(CHAT, ANNA, BORIS))
        await trio.sleep(10)
        state = await w.system.get_state(Address(CHAT_KIND, CHAT))

    assert isinstance(state, dict)
    assert state["typing"] == 0


async def test_strangers_do_not_type(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, CLARA) as w:
        await w.ask(CHAT, create(CHAT, ANNA))
        with pytest.raises(ChatRefused):
            await w.ask(CHAT, SetTyping(UserId(CLARA), is_typing=True))


async def test_a_bug_in_one_chat_leaves_the_other_alone(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA) as w:
        await w.ask(CHAT, create(CHAT, ANNA))
        await w.ask(CHAT + 1, create(CHAT + 1, ANNA, title="Other"))
        w.appender.errors.append(RuntimeError("a bug"))
        with pytest.raises(ActorError):
            await w.ask(CHAT, send(CHAT, ANNA))
        await w.ask(CHAT + 1, send(CHAT + 1, ANNA))
        await w.ask(CHAT, send(CHAT, ANNA))

    assert len(w.appender.events_of(create(CHAT, ANNA).chat_id)) == 2


async def test_silent_reading_is_told_to_own_devices_only(autojump_clock: trio.abc.Clock) -> None:
    async with world(ANNA, BORIS) as w:
        anna = await w.connect(ANNA)
        phone, laptop = await w.connect(BORIS), await w.connect(BORIS, "laptop")
        await w.ask(CHAT, create(CHAT, ANNA, BORIS))
        sent = await w.ask(CHAT, send(CHAT, ANNA))
        outcome = await w.ask(CHAT, read(CHAT, BORIS, is_silent=True))

    assert isinstance(sent, Committed)
    assert outcome == CursorMoved(sent.event.message.id, sent.event.seq)
    told = {
        "type": "read_cursor",
        "chat_id": CHAT,
        "message_id": outcome.message_id,
        "read_seq": outcome.read_seq,
    }
    assert phone.transient == laptop.transient == [told]
    assert anna.transient == []
    assert anna.seqs == phone.seqs == laptop.seqs == [1, 2]
