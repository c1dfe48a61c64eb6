"""Whatever people do to each other, the log adds up. Rules only, no database."""

from __future__ import annotations

from collections import Counter

import trio
from hypothesis import given

from actors.chat.view import ChatView
from storage.events import MessageDeleted, MessageSent
from storage.facts import BatchFacts, ChatFacts
from storage.records import Role
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.scenarios import PEOPLE, Play, Step, scenarios


def played(scenario: list[Step]) -> FakeAppender:
    fake = FakeAppender(range(1, PEOPLE + 1))
    play = Play()

    async def run() -> None:
        for step in scenario:
            play.saw(await fake.append([play.command(step)]))

    trio.run(run)
    return fake


@given(scenarios)
def test_seq_is_dense_and_begins_with_the_creation(scenario: list[Step]) -> None:
    fake = played(scenario)

    for chat_id, chat in fake.facts.chats.items():
        events = fake.events_of(chat_id)
        assert [event.seq for event in events] == list(range(1, chat.last_seq + 1))


@given(scenarios)
def test_replaying_the_log_gives_the_same_chat(scenario: list[Step]) -> None:
    fake = played(scenario)

    for chat_id, chat in fake.facts.chats.items():
        if chat.chat is None:
            continue
        events = fake.events_of(chat_id)
        again = ChatFacts(id=chat_id, batch=BatchFacts(users=fake.facts.users))
        view = ChatView.before(events[0])
        for event in events:
            again.apply(event)
            view.apply(event)
        assert again.record() == chat.record()
        assert again.members == chat.members
        assert again.owner_id == chat.owner_id
        assert again.live_messages_change == chat.live_messages_change
        assert view.roles == {user: member.role for user, member in chat.members.items()}
        assert view.is_active == chat.chat.is_active
        assert view.last_seq == chat.last_seq


@given(scenarios)
def test_a_key_names_one_message(scenario: list[Step]) -> None:
    fake = played(scenario)
    keys = Counter(
        (event.actor_id, event.message.client_msg_id)
        for event in fake.events
        if isinstance(event, MessageSent) and event.message.client_msg_id is not None
    )

    assert set(keys.values()) <= {1}


@given(scenarios)
def test_a_chat_has_its_owner_and_counts_are_right(scenario: list[Step]) -> None:
    fake = played(scenario)

    for chat in fake.facts.chats.values():
        if chat.chat is None:
            continue
        owners = [user for user, member in chat.members.items() if member.role is Role.OWNER]
        assert len(owners) == (1 if chat.pair is None else 2)
        assert chat.owner_id in owners
        assert chat.record().members_count == len(chat.members)
        assert all(1 <= member.read_seq <= chat.last_seq for member in chat.members.values())


@given(scenarios)
def test_what_was_taken_back_is_gone(scenario: list[Step]) -> None:
    fake = played(scenario)

    for event in fake.events:
        if isinstance(event, MessageDeleted):
            message = fake.facts.messages[event.message_id]
            assert (message.text, message.media, message.is_deleted) == (None, None, True)
