"""The actors of a node over an in-memory appender: everything but PostgreSQL and sockets."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio

from actors.chat.ports import ChatPorts, EventPage
from actors.chat.view import ChatView
from actors.delivery.fanout import Fanout
from actors.delivery.session import CloseReason, Session
from actors.runtime import ActorSystem
from actors.system import CHAT, USER, ActorLimits, register_kinds
from actors.user.ports import Attach, Detach, UserPorts
from aeon.wire.events import WireEncoder
from storage.ids import ChatId, Seq, UserId
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.transports import RecordingTransport


class FakeLog:
    """Reads what the fake appender holds, as ``DatabaseChatLog`` reads PostgreSQL."""

    def __init__(self, appender: FakeAppender) -> None:
        self.appender = appender
        self.loads = 0
        self.reads = 0

    async def load(self, chat_id: ChatId) -> ChatView | None:
        self.loads += 1
        await trio.lowlevel.checkpoint()
        events = self.appender.events_of(chat_id)
        if not events:
            return None
        view = ChatView.before(events[0])
        for event in events:
            view.apply(event)
        return view

    async def read_events(self, chat_id: ChatId, after: Seq) -> EventPage:
        self.reads += 1
        await trio.lowlevel.checkpoint()
        events = [event for event in self.appender.events_of(chat_id) if event.seq > after]
        return EventPage(events=tuple(events[:3]), has_more=len(events) > 3)

    async def entries(
        self, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
    ) -> list[tuple[UserId, Seq]]:
        raise AssertionError("asked by nobody who is alone")


class FakePresence:
    """Records announcements."""

    def __init__(self) -> None:
        self.announced: list[tuple[int, bool]] = []

    def announce(self, user_id: UserId, *, is_online: bool) -> None:
        self.announced.append((user_id, is_online))

    def is_here(self, user_id: UserId) -> bool:
        return dict(self.announced).get(user_id, False)


class Device:
    """One connection of one person, and what it was sent."""

    def __init__(self, user_id: int, name: str, *, room: int | None = None) -> None:
        self.transport = RecordingTransport(room=room)
        self.ended: list[CloseReason] = []
        self.session = Session(
            session_id=name,
            user_id=UserId(user_id),
            transport=self.transport,
            on_close=self.ended.append,
        )

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [orjson.loads(payload) for payload in self.transport.payloads]

    @property
    def seqs(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if "seq" in frame]

    @property
    def transient(self) -> list[dict[str, Any]]:
        return [orjson.loads(payload) for payload in self.transport.transient]


class World:
    """A running system with its fakes."""

    def __init__(self, system: ActorSystem, appender: FakeAppender, log: FakeLog) -> None:
        self.system = system
        self.appender = appender
        self.log = log
        self.fanout = Fanout()
        self.presence = FakePresence()

    async def ask(self, chat: int, message: object) -> object:
        return await self.system.ref(CHAT, chat).ask(message, timeout_seconds=5.0)

    def tell(self, chat: int, message: object) -> bool:
        return self.system.ref(CHAT, chat).tell(message)

    async def connect(
        self, user_id: int, name: str = "phone", *, room: int | None = None
    ) -> Device:
        device = Device(user_id, name, room=room)
        attach = Attach(device.session, b'{"type":"connection_established"}')
        await self.system.ref(USER, user_id).ask(attach, timeout_seconds=5.0)
        return device

    def disconnect(self, device: Device) -> None:
        user = self.system.ref(USER, device.session.user_id)
        user.tell(Detach(device.session))


@asynccontextmanager
async def world(*people: int) -> AsyncIterator[World]:
    appender = FakeAppender(people)
    log = FakeLog(appender)
    system = ActorSystem("test")
    made = World(system, appender, log)
    register_kinds(
        system,
        chat=ChatPorts(appender=appender, log=log, encoder=WireEncoder(), fanout=made.fanout),
        user=UserPorts(fanout=made.fanout, presence=made.presence, max_sessions=3),
        limits=ActorLimits(),
    )
    async with system:
        yield made
