"""What the edge works with, built once in ``aeon.main`` and handed to every handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from actors.chat.ports import ChatMessage
from actors.cluster.cluster import Cluster
from actors.delivery.fanout import Fanout
from actors.runtime import ActorRef, ActorSystem
from actors.services import Writing
from actors.system import CHAT, USER
from actors.user.ports import UserMessage
from actors.user.presence import Presence
from aeon.admin.rates import RateMeter, RecentQuantiles
from aeon.admin.stream import Streams
from aeon.admin.trail import AuditTrail
from aeon.config import Settings
from aeon.counts import Counts
from aeon.limits import Limiter
from aeon.logins import Logins
from aeon.loop_lag import LoopLag
from aeon.media.depot import Depot
from aeon.revocations import Revocations
from aeon.server import Listening
from storage.bus import Bus
from storage.database import Database
from storage.ids import ChatId, UserId
from storage.retention import RetentionJob


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Lifecycle:
    """Where the node is in its life; one per node."""

    is_draining: bool = False
    """True from the stop signal on: not ready, no new connections."""
    listening: Listening | None = None
    """Where clients are served, and how that goes; None before."""
    metrics_listening: Listening | None = None
    """The same of METRICS_BIND; None without."""


@dataclass(frozen=True, slots=True)
class Services:
    """The node's parts. Frozen: nobody swaps one while requests run."""

    settings: Settings
    database: Database
    writer: Writing
    system: ActorSystem
    fanout: Fanout
    presence: Presence
    media: Depot
    audit: AuditTrail
    """Where operators' requests are written down."""
    logins: Logins
    revocations: Revocations
    """Where changes of people and their sessions are told; never ``logins.forget`` alone."""
    bus: Bus | None = None
    """To the other nodes; None when this is the only one."""
    cluster: Cluster | None = None
    """What of other nodes' commits concerns the people here; None as ``bus``."""
    retention: RetentionJob | None = None
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    limiter: Limiter = field(default_factory=Limiter)
    """Token buckets; asked only while ``settings.are_rate_limits_on``."""
    counts: Counts = field(default_factory=Counts)
    """What the edge counts."""
    streams: Streams = field(default_factory=Streams)
    """Open streams of the operators' overview."""
    rates: RateMeter = field(default_factory=RateMeter)
    """Rates of messages and deliveries, for operators."""
    commit_times: RecentQuantiles = field(default_factory=RecentQuantiles)
    """How long commits took lately, for operators."""
    loop_lag: LoopLag = field(default_factory=LoopLag)
    """Sampled while the node serves."""
    now: Callable[[], datetime] = _utc_now
    """The edge's clock, in UTC. Events carry PostgreSQL's time instead."""

    def chat(self, chat_id: ChatId) -> ActorRef[ChatMessage]:
        """Give the ref of a chat's actor; it starts with the first message."""
        return self.system.ref(CHAT, chat_id)

    def user(self, user_id: UserId) -> ActorRef[UserMessage]:
        """Give the ref of a person's actor."""
        return self.system.ref(USER, user_id)
