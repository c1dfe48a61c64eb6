"""A chat's feed on this node: its events to the people connected here, in order, each once.

Rules of this file:

- The feed is the single owner of how far its chat was handed out. Events come from this node's
  commits, from other nodes, or from the log; whatever comes early waits for what lies between,
  read from the log at once, and whatever was handed out before is dropped.
- Who receives an event is told by the members as they were at that event. A picture that was
  loaded later is taken back to where the hand-out stands, event by event, and then goes forward
  again; so somebody who was removed gets everything up to the removal, and somebody who joined
  nothing from before.
- The position is raised only after the hand-out: after a crash some receivers are offered an
  event again, and their sessions drop it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from actors.chat.ports import ChatPorts
from actors.chat.view import ChatView
from actors.cluster.wire import RemoteEvent, look_up_to
from actors.delivery.frame import Frame
from actors.delivery.session import CloseReason
from storage.events import (
    ChatCreated,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    MessagesRead,
)
from storage.ids import ChatId, Seq, UserId

_PLAIN: Final = (MessageSent, MessageEdited, MessageDeleted, MessagesRead)
"""Events that change nothing about the chat or who is in it."""

_Outgoing = tuple[frozenset[UserId], Frame]


class Feed:
    """Hands out one chat's events; used by its actor alone."""

    def __init__(
        self, chat_id: ChatId, ports: ChatPorts, *, on_act: Callable[[UserId], None]
    ) -> None:
        """Prepare a feed; ``on_act`` is called with whoever caused an event that passes."""
        self.view: ChatView | None = None
        self._chat_id = chat_id
        self._ports = ports
        self._cluster = ports.cluster
        self._on_act = on_act
        self._asked_about: int | None = None

    async def open(self, *, start: Seq | None = None) -> None:
        """Load the chat as it is now, and hand out what came since this node last did.

        Args:
            start: how far that was, where nobody keeps account of it; None: as far as it is.

        Raises:
            StorageError: it can not be loaded.
        """
        view = self.view = await self._ports.log.load(self._chat_id)
        await self._notice_unnoticed()
        if self._cluster is not None:
            start = self._position()
        until = Seq(0) if view is None else view.last_seq
        while view is not None and start is not None and start < view.last_seq:
            if not await self._rewind(view, start):
                break
            # The picture of then shows who has been removed since: perhaps unnoticed as well.
            await self._count_in_unnoticed(view)
            start = self._position()
        await self._advance(until)
        self._confirm()

    async def make_up(self, since: Seq) -> None:
        """Hand out and tell others what this node may have committed unnoticed after ``since``.

        Raises:
            StorageError: it can not be read now.
        """
        await self.open(start=since)
        view = self.view
        if self._cluster is None or view is None or view.last_seq <= since:
            return
        page = await self._ports.log.read_events(self._chat_id, since)
        events = [event for event in page.events if event.seq <= view.last_seq]
        if events and events[-1].seq == view.last_seq:
            self._tell_others(events, [self._frame(event) for event in events])
        else:  # Most of it is others' then, and told: who joined is found by the sweeps.
            self._cluster.tell_events([look_up_to(self._chat_id, view.last_seq)])

    async def hand_out(self, events: Sequence[DurableEvent]) -> None:
        """Hand out what this node committed, in ``seq`` order without gaps; tell other nodes.

        What other nodes committed before is read from the log and goes first.
        """
        if not events:
            return
        frames = [self._frame(event) for event in events]
        self._tell_others(events, frames)
        await self._notice_unnoticed()
        await self._reach(Seq(events[0].seq - 1))
        outgoing: list[_Outgoing] = []
        for event, frame in zip(events, frames, strict=True):
            if self.view is None or event.seq > self.view.last_seq:
                self._add(outgoing, self._apply(event), frame)
        await self._deliver(outgoing)
        self._confirm()

    async def take_news(self) -> None:
        """Hand out what other nodes committed, as far as they have told."""
        if self._cluster is None:
            return
        news = sorted(self._cluster.take(self._chat_id), key=lambda event: event.seq)
        await self._notice_unnoticed()
        if self._is_behind():
            await self.open()
        outgoing: list[_Outgoing] = []
        for event in news:
            view = self.view
            if view is not None and event.seq <= view.last_seq:
                continue
            if view is not None and event.seq == view.last_seq + 1 and event.payload is not None:
                view.last_seq = event.seq
                self._on_act(event.actor_id)
                frame = Frame(event.payload, self._chat_id, event.seq)
                self._add(outgoing, view.receivers, frame)
            else:
                await self._deliver(outgoing)
                outgoing = []
                await self._reach(event.seq)
        await self._deliver(outgoing)
        self._confirm()

    async def _reach(self, until: Seq) -> None:
        """Be where ``until`` has been handed out, reading the log as far as needed."""
        if not until:
            return
        if self._cluster is not None and self._position() is None:
            # Nobody is here: what lies between is nobody's, today's picture does.
            if self.view is None or self.view.last_seq < until:
                self.view = await self._ports.log.load(self._chat_id)
            return
        if self.view is None or self._is_behind():
            await self.open(start=until)
        if self.view is not None and self.view.last_seq < until:
            await self._advance(until)

    async def _notice_unnoticed(self) -> None:
        """Count in who is here and whose joining nobody told of, before anything is handed out.

        Once for each time the chat gets its place in the audience, in which such people were
        not looked for. Whose joining this picture does not hold yet is counted in by the event.
        """
        if self._cluster is None or self.view is None:
            return
        place = self._cluster.audience.new_place(self._chat_id)
        if place is not None and place != self._asked_about:
            await self._count_in_unnoticed(self.view)
            self._asked_about = place

    async def _count_in_unnoticed(self, view: ChatView) -> None:
        """Count in the members of a picture with the event that had brought them in."""
        if self._cluster is None or self._cluster.audience.new_place(self._chat_id) is None:
            return
        audience = self._cluster.audience
        unnoticed = [
            user_id for user_id in view.receivers if audience.is_unnoticed(user_id, self._chat_id)
        ]
        if unnoticed:
            # As of the picture: who has been removed since is owed the time until then.
            until = view.last_seq
            for user_id, seq in await self._ports.log.entries(self._chat_id, unnoticed, until):
                audience.welcome(self._chat_id, Seq(seq - 1), [user_id])

    def _confirm(self) -> None:
        """The hand-out stands where the picture does: the chat's place is right."""
        if self._cluster is None or self.view is None or self._asked_about is None:
            return
        if self._position() == self.view.last_seq:
            self._cluster.audience.confirm_place(self._chat_id, self._asked_about)

    async def _advance(self, until: Seq) -> None:
        """Hand out from the log what follows the picture, up to ``until``."""
        view = self.view
        while view is not None and view.last_seq < until:
            page = await self._ports.log.read_events(self._chat_id, view.last_seq)
            missed = [event for event in page.events if event.seq <= until]
            if page.too_far:
                self.view = await self._ports.log.load(self._chat_id)
                self._part_with_the_past()
            if not missed:
                return
            outgoing: list[_Outgoing] = []
            for event in missed:
                receivers = self._apply(event, is_replayed=True)
                self._add(outgoing, receivers, event)
            await self._deliver(outgoing)

    async def _rewind(self, view: ChatView, start: Seq) -> bool:
        """Take a picture back to ``start`` by undoing the joins and leaves since.

        False: the log no longer reaches back, and today's picture stands.
        """
        changes: list[MemberAdded | MemberRemoved] = []
        after = start
        while after < view.last_seq:
            page = await self._ports.log.read_events(self._chat_id, after)
            if not page.events:
                self._part_with_the_past()
                return False
            changes += (
                event
                for event in page.events
                if isinstance(event, MemberAdded | MemberRemoved) and event.seq <= view.last_seq
            )
            after = page.events[-1].seq
        view.rewind(start, changes)
        return True

    def _part_with_the_past(self) -> None:
        """The log no longer reaches back (retention): today's picture it is.

        Whoever is here has missed something that can not be told any more. Their connections
        end; resuming, they are told to load this chat afresh.
        """
        user_ids = set(self.view.receivers if self.view is not None else ())
        if self._cluster is not None:
            user_ids.update(self._cluster.audience.followers(self._chat_id))
        for user_id in user_ids:
            for session in self._ports.fanout.sessions_of(user_id):
                session.end(CloseReason.MISSED_EVENTS)
        if self.view is not None:
            self._reached(self.view.last_seq)

    def _apply(self, event: DurableEvent, *, is_replayed: bool = False) -> frozenset[UserId]:
        """Fold an event in and tell who receives it: members after it, and whom it removed."""
        if self.view is None:
            self.view = ChatView.before(event)
        self.view.apply(event, is_replayed=is_replayed)
        self._on_act(event.actor_id)
        if self._cluster is not None:
            joining = who_joins(event)
            if joining:
                self._cluster.audience.welcome(self._chat_id, Seq(event.seq - 1), joining)
        if isinstance(event, MemberRemoved):
            return self.view.receivers | {event.user_id}
        return self.view.receivers

    def _add(
        self, outgoing: list[_Outgoing], receivers: frozenset[UserId], what: Frame | DurableEvent
    ) -> None:
        """Plan a hand-out, unless it was done or nobody is here."""
        seq = what.seq
        assert seq is not None
        if self._cluster is not None:
            position = self._position()
            if position is None or seq <= position:
                self._reached(seq)
                return
        outgoing.append((receivers, what if isinstance(what, Frame) else self._frame(what)))

    async def _deliver(self, outgoing: Sequence[_Outgoing]) -> None:
        """One write for each run of frames with the same receivers."""
        # The view hands out one set object until membership changes: identity is enough.
        for _, run in groupby(outgoing, key=lambda entry: id(entry[0])):
            entries = list(run)
            frames = [frame for _, frame in entries]
            await self._ports.fanout.deliver(entries[0][0], frames)
            if frames[-1].seq is not None:
                self._reached(frames[-1].seq)

    def _tell_others(self, events: Sequence[DurableEvent], frames: Sequence[Frame]) -> None:
        if self._cluster is None:
            return
        # Before the hand-out, in which many receivers may take many turns.
        self._cluster.tell_events(
            RemoteEvent(
                event.chat_id,
                event.seq,
                event.actor_id,
                frame.payload if isinstance(event, _PLAIN) else None,
                who_joins(event),
            )
            for event, frame in zip(events, frames, strict=True)
        )
        for event in events:
            joining = who_joins(event)
            if joining:
                self._cluster.audience.welcome(self._chat_id, Seq(event.seq - 1), joining)

    def _frame(self, event: DurableEvent) -> Frame:
        return Frame(self._ports.encoder.durable(event), event.chat_id, event.seq)

    def _position(self) -> Seq | None:
        if self._cluster is None:
            return None
        return self._cluster.audience.position(self._chat_id)

    def _is_behind(self) -> bool:
        """Whether somebody here still lacks events that the picture already holds."""
        position = self._position()
        return position is not None and self.view is not None and position < self.view.last_seq

    def _reached(self, seq: Seq) -> None:
        if self._cluster is not None:
            self._cluster.audience.reached(self._chat_id, seq)


def who_joins(event: DurableEvent) -> tuple[UserId, ...]:
    """Name who receives this chat from this event on and did not before."""
    if isinstance(event, MemberAdded):
        return (event.user.id,)
    if isinstance(event, ChatCreated):
        return tuple(member.user.id for member in event.members)
    return ()
