"""Several nodes without I/O: one in-memory log as their PostgreSQL, a bus that can be spoiled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import trio

from actors.chat.ports import ChatMessage, ChatPorts, EventPage
from actors.chat.view import ChatView
from actors.cluster.cluster import Cluster
from actors.delivery.fanout import Fanout
from actors.runtime import ActorSystem
from actors.services import Endless
from actors.system import CHAT, USER, ActorLimits, register_kinds
from actors.user.ports import Attach, Detach, UserPorts
from aeon.wire.events import WireEncoder
from storage.commands import AnyCommand, Outcome
from storage.events import (
    ChatCreated,
    ChatUpdated,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
)
from storage.ids import ChatId, Seq, UserId
from storage.positions import Joined
from tests.helpers.actor_world import Device, FakePresence
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.memory_bus import MemoryBus, Network

Fault = Callable[[str], Exception | None]
"""Asked before each access to the shared log, and after each commit: what goes wrong now."""


class SharedLog:
    """What PostgreSQL is to the nodes: every node appends to it and reads from it.

    Like the real one it shows the members of today in events that carry members.
    """

    PAGE = 4

    def __init__(self, people: Collection[int]) -> None:
        self.appender = FakeAppender(people)
        self.fault: Fault = lambda _access: None
        self.reads = 0
        self.floor = 0
        """Events up to here are gone, as by retention."""

    async def append(
        self, commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        await self._access("append")
        outcomes = await self.appender.append(commands, request_ids)
        # Committed: other nodes may see it before this one hears so.
        await self._access("commit")
        return outcomes

    async def load(self, chat_id: ChatId) -> ChatView | None:
        await self._access("load")
        view = None
        for event in self.appender.events_of(chat_id):
            if view is None:
                view = ChatView.before(event)
            view.apply(event)
        await trio.lowlevel.checkpoint()
        return view

    async def read_events(self, chat_id: ChatId, after: Seq) -> EventPage:
        self.reads += 1
        await self._access("read")
        if after < self.floor:
            return EventPage(events=(), has_more=True, too_far=True)
        events = [event for event in self.appender.events_of(chat_id) if event.seq > after]
        page = tuple(self._as_of_today(event) for event in events[: self.PAGE])
        await trio.lowlevel.checkpoint()
        return EventPage(events=page, has_more=len(events) > self.PAGE)

    async def entries(
        self, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
    ) -> list[tuple[UserId, Seq]]:
        await self._access("entries")
        found: dict[UserId, Seq] = {}
        for event in self.appender.events_of(chat_id):
            if event.seq <= until:
                found.update(dict.fromkeys(_joining(event), event.seq))
        return [(user_id, seq) for user_id, seq in found.items() if user_id in user_ids]

    async def of(self, user_ids: Collection[UserId]) -> dict[UserId, list[tuple[ChatId, Seq]]]:
        await self._access("positions")
        found = {
            user_id: [
                (chat.id, Seq(chat.last_seq))
                for chat in self.appender.facts.chats.values()
                if chat.chat is not None and chat.chat.is_active and user_id in chat.members
            ]
            for user_id in user_ids
        }
        await trio.lowlevel.checkpoint()
        return found

    async def now(self) -> datetime:
        await self._access("now")
        return self.appender.facts.now

    async def newer(self, known: Sequence[tuple[ChatId, Seq]]) -> list[tuple[ChatId, Seq]]:
        await self._access("newer")
        facts = self.appender.facts.chats
        return [
            (chat_id, Seq(facts[chat_id].last_seq))
            for chat_id, seq in known
            if chat_id in facts and facts[chat_id].last_seq > seq
        ]

    async def joined(self, user_ids: Collection[UserId], since: datetime) -> list[Joined]:
        await self._access("joined")
        found: dict[tuple[ChatId, UserId], Joined] = {}
        for event in self.appender.events:
            last_seq = Seq(self.appender.facts.chats[event.chat_id].last_seq)
            for user_id in _joining(event):
                found[event.chat_id, user_id] = Joined(event.chat_id, user_id, event.seq, last_seq)
            if isinstance(event, MemberRemoved):
                found.pop((event.chat_id, event.user_id), None)
        recent = {
            (event.chat_id, event.seq)
            for event in self.appender.events
            if event.at > since - timedelta(milliseconds=5)
        }
        return [
            joined
            for joined in found.values()
            if joined.user_id in user_ids and (joined.chat_id, joined.seq) in recent
        ]

    def _as_of_today(self, event: DurableEvent) -> DurableEvent:
        if not isinstance(event, ChatCreated | ChatUpdated):
            return event
        chat = self.appender.facts.chats[event.chat_id]
        return replace(event, members=chat.member_records())

    async def _access(self, access: str) -> None:
        await trio.lowlevel.checkpoint()
        fault = self.fault(access)
        if fault is not None:
            raise fault


def _joining(event: DurableEvent) -> tuple[UserId, ...]:
    if isinstance(event, MemberAdded):
        return (event.user.id,)
    if isinstance(event, ChatCreated):
        return tuple(member.user.id for member in event.members)
    return ()


def receivers_of(events: Sequence[DurableEvent]) -> list[frozenset[UserId]]:
    """Tell who must get each event of one chat: members after it, and whom it removed."""
    members: set[UserId] = set()
    found = []
    for event in events:
        members |= set(_joining(event))
        removed = {event.user_id} if isinstance(event, MemberRemoved) else set()
        found.append(frozenset(members | removed))
        members -= removed
    return found


class Node:
    """One node: its actors, its sessions, its end of the bus."""

    def __init__(self, log: SharedLog, bus: MemoryBus, system: ActorSystem) -> None:
        self.log = log
        self.bus = bus
        self.system = system
        self.fanout = Fanout()
        self.cluster = Cluster(bus, log, self.fanout, self._tell)

    async def ask(self, chat: int, message: object) -> object:
        return await self.system.ref(CHAT, chat).ask(message, timeout_seconds=5.0)

    async def connect(self, user_id: int, name: str = "phone") -> Device:
        device = Device(user_id, name)
        attach = Attach(device.session, b'{"type":"connection_established"}')
        await self.system.ref(USER, user_id).ask(attach, timeout_seconds=5.0)
        return device

    def disconnect(self, device: Device) -> None:
        self.system.ref(USER, device.session.user_id).tell(Detach(device.session))

    def _tell(self, chat_id: ChatId, message: ChatMessage) -> bool:
        return self.system.ref(CHAT, chat_id).tell(message)


@asynccontextmanager
async def node_on(
    log: SharedLog, network: Network, *, limits: ActorLimits | None = None
) -> AsyncIterator[Node]:
    """Run one node for the time of the block."""
    system = ActorSystem("test", sweep_seconds=0.2)
    node = Node(log, network.bus(), system)
    system.add_service("bus", lambda: Endless(node.bus))
    system.add_service("cluster", lambda: Endless(node.cluster))
    register_kinds(
        system,
        chat=ChatPorts(
            appender=log,
            log=log,
            encoder=WireEncoder(),
            fanout=node.fanout,
            cluster=node.cluster.relay,
        ),
        user=UserPorts(fanout=node.fanout, presence=FakePresence(), arrivals=node.cluster.arrivals),
        limits=limits or ActorLimits(),
    )
    async with system:
        yield node
