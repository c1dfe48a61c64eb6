"""Presence: who came and who went, told to those who share a chat with them.

Rules of this file:

- News goes out in rounds: the first at once, the next a second later at the earliest. A round
  takes everything that gathered, in one look-up, and each receiver gets its part in one write.
- Only the latest state of a person counts; who is back before the round is not told of.
- A connection is told of people who come after it. Who was there before, the client asks for
  (``GET /api/v1/chats/{chat_id}/online``), so of two who come in one round one is told.
- In chats of more than ``MAX_MEMBERS_TOLD`` nobody is told of anybody: a crowd's comings and
  goings are of use to nobody and cost their square.
- Presence is transient: when PostgreSQL is away, it is dropped and counted, never queued up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
import trio

from actors.chat.ports import EventEncoder
from actors.delivery.fanout import Fanout
from actors.delivery.frame import Frame
from actors.user.roster import Roster
from storage.errors import StorageError
from storage.ids import UserId

ROUND_SECONDS: Final = 1.0
MAX_MEMBERS_TOLD: Final = 200
FRAMES_BEFORE_TURN: Final = 2_000
"""Frames handed out before other tasks get a turn: about 2 ms."""
FAREWELL_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


class Acquaintances(Protocol):
    """What presence asks of the database."""

    async def note_seen(self, user_ids: Collection[UserId]) -> None:
        """Note that these people were here just now.

        Raises:
            storage.errors.StorageError: it was not noted.
        """
        ...

    async def among(
        self, user_ids: Sequence[UserId], candidates: Sequence[UserId]
    ) -> list[tuple[UserId, UserId]]:
        """Pair each of these with the candidates who share a chat with them.

        Those who hide when they were last seen are left out. Raises as ``note_seen`` does.
        """
        ...


@dataclass(frozen=True, slots=True)
class PresenceStatistics:
    """Counts since the start, and how things are."""

    waiting: int
    announced: int
    """Changes that went out in a round."""
    lost: int
    rounds: int
    frames: int
    """``user_status`` frames handed to receivers."""
    online: int
    online_here: int
    other_nodes: int
    is_current: bool
    """False while the other nodes can not be heard: their last known state is what counts."""


class Presence:
    """Announces changes to the connected people who share a chat with the one who changed."""

    def __init__(
        self,
        acquaintances: Acquaintances,
        fanout: Fanout,
        encoder: EventEncoder,
        *,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.roster = Roster()
        self.on_own_change: Callable[[UserId, bool], None] | None = None
        """Called for each person who comes to or leaves this node; tells the other nodes."""
        self.is_current = True
        self._acquaintances = acquaintances
        self._fanout = fanout
        self._encoder = encoder
        self._unix_time = unix_time
        # In the order in which they came: it says who was there before whom.
        self._changed: dict[UserId, None] = {}
        self._seen: set[UserId] = set()
        self._told_online: set[UserId] = set()
        self._wake = trio.Event()
        self._announced = self._lost = self._rounds = self._frames = 0

    def announce(self, user_id: UserId, *, is_online: bool) -> None:
        """Note a change on this node; bounded by the number of people."""
        if not is_online:
            self._seen.add(user_id)
            self._wake.set()
        if self.roster.set_here(user_id, is_online=is_online):
            self.note([user_id])
        if self.on_own_change is not None:
            self.on_own_change(user_id, is_online)

    def note(self, user_ids: Collection[UserId], *, were_seen: bool = False) -> None:
        """Note that the whole picture changed for these; the roster says how.

        With ``were_seen`` this node also writes down that they were here until now.
        """
        for user_id in user_ids:
            self._changed.pop(user_id, None)
            self._changed[user_id] = None
        if were_seen:
            self._seen.update(user_ids)
        if user_ids:
            self._wake.set()

    def is_here(self, user_id: UserId) -> bool:
        """Say whether a person was last noted as online on this node."""
        return user_id in self.roster.here

    def is_online(self, user_id: UserId) -> bool:
        """Say whether a person is online on any node, as far as this one knows."""
        return self.roster.is_online(user_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Announce until cancelled; then note for everybody here that they were seen."""
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                started = trio.current_time()
                await self._round()
                await trio.sleep_until(started + ROUND_SECONDS)
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await self._note_seen(self._seen | set(self.roster.here))

    def statistics(self) -> PresenceStatistics:
        """Count what was announced and what was lost."""
        roster = self.roster.statistics()
        return PresenceStatistics(
            waiting=len(self._changed),
            announced=self._announced,
            lost=self._lost,
            rounds=self._rounds,
            frames=self._frames,
            online=roster.online,
            online_here=roster.online_here,
            other_nodes=roster.other_nodes,
            is_current=self.is_current,
        )

    async def _round(self) -> None:
        self._seen.difference_update(self.roster.here)
        seen = frozenset(self._seen)
        news = self._take_news()
        await self._note_seen(seen)
        self._seen -= seen
        receivers = list(self._fanout.connected_users())
        if not news or not receivers:
            return
        self._rounds += 1
        try:
            pairs = await self._acquaintances.among(list(news), receivers)
        except StorageError as error:
            self._lost += len(news)
            _log.warning("presence_lost", people=len(news), error=type(error).__name__)
            return
        await self._tell(news, pairs)
        self._announced += len(news)

    def _take_news(self) -> dict[UserId, bool]:
        """Give those who are not as they were last told to be, and take them as told."""
        news: dict[UserId, bool] = {}
        for user_id in self._changed:
            is_online = self.roster.is_online(user_id)
            if is_online != (user_id in self._told_online):
                news[user_id] = is_online
                (self._told_online.add if is_online else self._told_online.discard)(user_id)
        self._changed = {}
        return news

    async def _tell(self, news: dict[UserId, bool], pairs: Sequence[tuple[UserId, UserId]]) -> None:
        now = self._unix_time()
        place = {user_id: number for number, user_id in enumerate(news)}
        states = list(news.values())
        frames = [
            Frame(self._encoder.user_status(user_id, is_online=is_online, last_seen_at=now))
            for user_id, is_online in news.items()
        ]
        for_receiver: defaultdict[UserId, list[int]] = defaultdict(list)
        for user_id, receiver in pairs:
            for_receiver[receiver].append(place[user_id])
        in_this_turn = 0
        for receiver, places in for_receiver.items():
            came_at = place[receiver] if news.get(receiver) else -1
            told = [frames[at] for at in sorted(places) if at > came_at or not states[at]]
            if told:
                await self._fanout.deliver([receiver], told)
                self._frames += len(told)
                in_this_turn += len(told)
            if in_this_turn >= FRAMES_BEFORE_TURN:
                in_this_turn = 0
                await trio.lowlevel.checkpoint()

    async def _note_seen(self, user_ids: Collection[UserId]) -> None:
        if not user_ids:
            return
        try:
            await self._acquaintances.note_seen(user_ids)
        except StorageError as error:
            _log.warning("last_seen_lost", people=len(user_ids), error=type(error).__name__)
