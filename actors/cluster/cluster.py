"""A node among others: the audience and everything around it, put together.

``None`` in its place means that this is the only node; then none of it exists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from actors.cluster.arrivals import Arrivals
from actors.cluster.audience import Audience, AudienceStatistics
from actors.cluster.relay import Relay, RelayStatistics, TellChat
from actors.cluster.sweep import Record, Sweep, SweepStatistics, SweepTimes
from actors.delivery.fanout import Fanout
from storage.bus import Bus
from storage.ids import ChatId, Seq, UserId


class ClusterRecord(Record, Protocol):
    """What a node asks of the database to know where its chats stand."""

    async def of(
        self, user_ids: Collection[UserId]
    ) -> Mapping[UserId, Sequence[tuple[ChatId, Seq]]]:
        """See ``actors.cluster.arrivals.Positions``."""
        ...


@dataclass(frozen=True, slots=True)
class ClusterStatistics:
    """This node among the others."""

    audience: AudienceStatistics
    relay: RelayStatistics
    sweep: SweepStatistics


class Cluster:
    """This node's view of the deployment. Make it before the bus runs."""

    def __init__(
        self,
        bus: Bus,
        record: ClusterRecord,
        fanout: Fanout,
        tell: TellChat,
        *,
        times: SweepTimes | None = None,
    ) -> None:
        self.audience = Audience()
        self.relay = Relay(bus, self.audience, fanout, tell)
        self.arrivals = Arrivals(self.audience, record, self.relay.catch_up)
        self.sweep = Sweep(
            self.audience,
            record,
            catch_up=self.relay.catch_up,
            is_told=lambda: bus.is_connected and not bus.is_refused,
            times=times,
        )
        bus.on_connect(self.sweep.hurry)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look up who arrives, and look for what is missing, until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.arrivals.run)
            await nursery.start(self.sweep.run)
            task_status.started()

    def statistics(self) -> ClusterStatistics:
        """Count what concerns other nodes."""
        return ClusterStatistics(
            audience=self.audience.statistics(),
            relay=self.relay.statistics(),
            sweep=self.sweep.statistics(),
        )
