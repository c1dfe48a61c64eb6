"""The relay: what concerns nobody passes by, and nothing waits without a bound."""

from __future__ import annotations

import trio
import trio.testing

from actors.chat.ports import ChatMessage, NewsArrived
from actors.cluster import relay as relay_module
from actors.cluster.audience import Audience
from actors.cluster.relay import MAX_PENDING, Relay
from actors.cluster.wire import EVENTS, TYPING, RemoteEvent, RemoteTyping, encode_event
from actors.delivery.fanout import Fanout
from storage.ids import ChatId, Seq, UserId
from tests.helpers.memory_bus import Network

CHAT, ANNA = ChatId(10), UserId(1)


class Told:
    """A relay whose chats have a mailbox that takes what it is told to take."""

    def __init__(self) -> None:
        self.audience = Audience()
        self.messages: list[ChatMessage] = []
        self.has_room = True
        self.bus = Network().bus()
        self.relay = Relay(self.bus, self.audience, Fanout(), self._tell)

    def _tell(self, _chat_id: ChatId, message: ChatMessage) -> bool:
        if self.has_room:
            self.messages.append(message)
        return self.has_room

    def hear(self, seq: int, payload: bytes | None = b"{}") -> None:
        event = RemoteEvent(CHAT, Seq(seq), UserId(2), payload)
        self.bus.take("another", [(EVENTS, entry) for entry in encode_event(event)])


def test_a_chat_with_nobody_here_passes_by() -> None:
    told = Told()
    told.hear(5)
    assert told.messages == []
    assert told.relay.statistics().passed_by == 1


def test_the_actor_is_told_once_and_takes_all() -> None:
    told = Told()
    told.audience.enter(ANNA, [(CHAT, Seq(4))])
    for seq in (4, 5, 6):
        told.hear(seq)
    assert told.messages == [NewsArrived()]
    assert [event.seq for event in told.relay.take(CHAT)] == [5, 6]
    assert told.relay.take(CHAT) == []
    assert told.relay.statistics().waiting_bytes == 0


def test_a_full_mailbox_loses_news_and_not_the_next() -> None:
    told = Told()
    told.audience.enter(ANNA, [(CHAT, Seq(4))])
    told.has_room = False
    told.hear(5)
    told.has_room = True
    told.hear(6)
    assert told.relay.statistics().refused == 1
    assert [event.seq for event in told.relay.take(CHAT)] == [6]


def test_what_nobody_took_does_not_outlive_the_last_who_was_here() -> None:
    told = Told()
    told.audience.enter(ANNA, [(CHAT, Seq(4))])
    told.hear(5)
    told.audience.leave(ANNA)
    told.hear(6)
    assert told.relay.statistics().waiting == told.relay.statistics().waiting_bytes == 0


def test_too_much_is_read_from_the_log_instead() -> None:
    told = Told()
    told.audience.enter(ANNA, [(CHAT, Seq(0))])
    for seq in range(1, MAX_PENDING + 2):
        told.hear(seq)
    (event,) = told.relay.take(CHAT)
    assert (event.seq, event.payload) == (MAX_PENDING + 1, None)


def test_waiting_frames_are_bounded() -> None:
    told = Told()
    told.audience.enter(ANNA, [(CHAT, Seq(0))])
    large = bytes(200_000)
    for seq in range(1, 1_000):
        told.hear(seq, large)
        assert told.relay.statistics().waiting_bytes <= relay_module.MAX_PENDING_BYTES
    assert told.relay.take(CHAT)[-1].seq == 999


def test_rubbish_is_counted() -> None:
    told = Told()
    told.bus.take("another", [(EVENTS, b"?"), (TYPING, b"?")])
    assert told.relay.statistics().damaged == 2


async def test_typing_reaches_a_chat_with_somebody_here() -> None:
    network = Network()
    sender, bus = network.bus(), network.bus()
    audience, messages = Audience(), []
    audience.enter(ANNA, [(CHAT, Seq(1))])

    def tell(_chat_id: ChatId, message: ChatMessage) -> bool:
        messages.append(message)
        return True

    Relay(bus, audience, Fanout(), tell)
    out = Relay(sender, Audience(), Fanout(), tell)
    typing = RemoteTyping(CHAT, UserId(2), is_typing=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(sender.run)
        await nursery.start(bus.run)
        out.tell_typing(typing)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert messages == [typing]
