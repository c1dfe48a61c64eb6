"""Unread counts against a plain model, over random lives of a chat, on a real PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import chats, event_log, history
from storage.commands import Committed, DeleteMessage, MarkRead, RemoveMember, SendMessage
from storage.database import Database
from storage.ids import ChatId, MessageId, Seq, UserId
from tests.helpers.talk import Talk, open_talk

EXAMPLES = int(os.environ.get("AEON_UNREAD_EXAMPLES", "40"))
OWNER = UserId(1)
PEOPLE = [UserId(number) for number in (1, 2, 3, 4)]

person = st.sampled_from(PEOPLE)
place = st.integers(0, 7)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), person),
        st.tuples(st.just("send"), person),
        st.tuples(st.just("read"), person, place),
        st.tuples(st.just("read_all"), person),
        st.tuples(st.just("delete"), person, place),
        st.tuples(st.just("leave"), person),
        st.tuples(st.just("rejoin"), person),
    ),
    max_size=30,
)


@dataclass
class Model:
    """What each member has not read, kept as sets; knows nothing of cursors or of SQL."""

    unread: dict[UserId, set[MessageId]] = field(
        default_factory=lambda: {user_id: set() for user_id in PEOPLE}
    )
    sent: list[MessageId] = field(default_factory=list)
    live: set[MessageId] = field(default_factory=set)

    def send(self, sender: UserId, message_id: MessageId) -> None:
        self.sent.append(message_id)
        self.live.add(message_id)
        for user_id, unread in self.unread.items():
            if user_id != sender:
                unread.add(message_id)

    def read(self, reader: UserId, up_to: MessageId) -> None:
        self.unread[reader] = {one for one in self.unread[reader] if one > up_to}

    def delete(self, message_id: MessageId) -> None:
        self.live.discard(message_id)
        for unread in self.unread.values():
            unread.discard(message_id)


@given(steps)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_counts_are_exact_after_any_life_of_a_chat(
    database_url: str, steps: list[tuple[str, UserId, int]]
) -> None:
    async def live() -> None:
        async with (
            Database.open(database_url, pool_size=2) as database,
            open_talk(database) as talk,
        ):
            for user_id in PEOPLE:
                await talk.person(user_id)
            chat_id = await talk.group(*PEOPLE)
            model = Model()
            for step in steps:
                await take(talk, chat_id, model, *step)
            await compare(talk, chat_id, model)

    trio.run(live)


async def take(
    talk: Talk, chat_id: ChatId, model: Model, verb: str, who: UserId, nth: int = 0
) -> None:
    """Do one step in both worlds; a refusal changes neither."""
    target = model.sent[-1 - nth % len(model.sent)] if model.sent else MessageId(1)
    match verb:
        case "send":
            outcome = await talk.do(
                SendMessage(chat_id=chat_id, actor_id=who, sender=talk.people[who], text="words")
            )
            if isinstance(outcome, Committed):
                model.send(who, outcome.event.message.id)  # type: ignore[union-attr] # it sent
        case "read" | "read_all":
            message_id = target if verb == "read" else None
            outcome = await talk.do(MarkRead(chat_id=chat_id, actor_id=who, message_id=message_id))
            if isinstance(outcome, Committed):
                model.read(who, message_id or MessageId(2**62))
        case "delete":
            outcome = await talk.do(DeleteMessage(chat_id=chat_id, actor_id=who, message_id=target))
            if isinstance(outcome, Committed):
                model.delete(target)
        # The last to leave closes the chat, and stays in it: nothing to compare then.
        case "leave" if len(model.unread) > 1:
            outcome = await talk.do(RemoveMember(chat_id=chat_id, actor_id=who, user_id=who))
            if isinstance(outcome, Committed):
                del model.unread[who]
        case "rejoin":
            outcome = await talk.add(chat_id, OWNER, who)
            if isinstance(outcome, Committed):
                model.unread[who] = set()


async def compare(talk: Talk, chat_id: ChatId, model: Model) -> None:
    async with talk.database.connection() as conn:
        for user_id in PEOPLE:
            lines = {line.chat.id: line for line in await chats.list_chats(conn, user_id)}
            count = await chats.count_unread(conn, chat_id, user_id)
            if user_id not in model.unread:
                assert (count, chat_id in lines) == (None, False)
                continue
            expected = len(model.unread[user_id])
            assert (count, lines[chat_id].unread_count) == (expected, expected)
            newest = lines[chat_id].last_message
            assert (None if newest is None else newest.id) == max(model.live, default=None)
        page = await history.page(conn, chat_id, OWNER, 1, 100)
        log = await event_log.read_events(conn, chat_id, Seq(0), 1000)
    assert page is not None
    assert page.total == len(model.live)
    assert [message.id for message in page.messages] == sorted(model.live)
    assert [event.seq for event in log.events] == list(range(1, log.last_seq + 1))
