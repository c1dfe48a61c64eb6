"""The node's own figures: versions, parts, rates, the tree, dead letters, connections.

Everything is read from counters and tables of this process: no actor is asked, no query made.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from itertools import islice
from typing import Final

import trio

from actors.delivery.session import Session
from actors.runtime import KindBranch, ServiceStatus, SystemTree
from aeon.admin.actors import printed
from aeon.admin.models import (
    DeadLetterCount,
    DeadLetterRow,
    DeadLetters,
    EventLoop,
    Figure,
    Rates,
    SessionPage,
    SessionRow,
    SystemAnswer,
    Tree,
    TreeNode,
)
from aeon.admin.node import node_name
from aeon.admin.queries import SessionQuery
from aeon.services import Services
from aeon.version import VERSION
from storage.ids import UserId
from storage.writer_counts import WriterStatistics

SLICE: Final = 500
"""Connections looked at before other tasks get their turn."""
BUSIEST: Final = 5
"""Actors of each kind that the tree shows."""


async def describe_system(services: Services) -> SystemAnswer:
    """Sum up this node."""
    system = services.system
    snapshot = system.snapshot(limit=0)
    fanout, writer = services.fanout.statistics(), services.writer.statistics()
    listening, lag = services.lifecycle.listening, services.loop_lag.statistics()
    counts = {"deliveries": fanout.deliveries}
    if writer is not None:
        counts["messages"] = writer.events["message_sent"]
    rates = services.rates.read(counts, uptime_seconds=snapshot.uptime_seconds)
    bus = services.bus
    return SystemAnswer(
        node=node_name(),
        version=VERSION,
        **_versions(),
        uptime_seconds=max(0.0, snapshot.uptime_seconds),
        draining=services.lifecycle.is_draining,
        actors={
            "running": system.count(),
            **{f"{kind.kind}_running": kind.active for kind in snapshot.kinds},
            "restarts": sum(kind.restarts for kind in snapshot.kinds),
            "dead_letters": system.dead_letters.total,
            "timers": snapshot.timers,
        },
        database=figures_of(services.database.statistics()),
        writer=None if writer is None else _writer(services, writer),
        fanout=figures_of(fanout),
        outboxes=await _outboxes(services),
        bus=None if bus is None else {"node_id": bus.node_id, **figures_of(bus.statistics())},
        presence=figures_of(services.presence.statistics()),
        http=None if listening is None else figures_of(listening.statistics()),
        audit=figures_of(services.audit.statistics()),
        event_loop=EventLoop(
            lag_p50_seconds=lag.lag_p50_seconds,
            lag_p99_seconds=lag.lag_p99_seconds,
            lag_max_seconds=lag.lag_max_seconds,
        ),
        rates=Rates(
            messages_per_second=rates.get("messages"),
            deliveries_per_second=rates.get("deliveries"),
        ),
    )


def _writer(services: Services, writer: WriterStatistics) -> dict[str, Figure]:
    p50, p99 = services.commit_times.read(writer.commit_seconds, (0.5, 0.99))
    return {**figures_of(writer), "commit_p50_seconds": p50, "commit_p99_seconds": p99}


async def draw_tree(services: Services) -> Tree:
    """Draw the supervision tree."""
    return tree_of(services, await services.system.tree(busiest=BUSIEST))


def tree_of(services: Services, tree: SystemTree) -> Tree:
    """Write the tree down."""
    return Tree(
        node=node_name(),
        root=TreeNode(
            name=tree.name,
            kind="system",
            state="draining" if services.lifecycle.is_draining else "up",
            restarts=0,
            strategy=tree.strategy,
            children=[_branch(branch) for branch in tree.branches],
        ),
    )


def list_dead_letters(services: Services) -> DeadLetters:
    """Count the messages nobody handled, and name the last ones by type."""
    letters, now = services.system.dead_letters, trio.current_time()
    return DeadLetters(
        node=node_name(),
        counts=[
            DeadLetterCount(kind=kind, reason=reason.value, count=count)
            for (kind, reason), count in sorted(letters.counts().items(), key=lambda item: -item[1])
        ],
        recent=[
            DeadLetterRow(
                address=printed(one.address),
                message=one.message_type,
                reason=one.reason.value,
                age_seconds=max(0.0, now - one.at),
            )
            for one in reversed(letters.recent())
        ],
    )


async def list_sessions(services: Services, asked: SessionQuery) -> SessionPage:
    """List connections, those that are furthest behind first."""
    fanout = services.fanout
    sessions: Iterable[Session] = fanout.all_sessions()
    if asked.user_id is not None:
        sessions = fanout.sessions_of(UserId(asked.user_id))
    rows: list[SessionRow] = []
    remaining = iter(sessions)
    while chunk := list(islice(remaining, SLICE)):
        rows += (_session_row(session) for session in chunk)
        await trio.lowlevel.checkpoint()
    rows.sort(key=lambda one: (-one.pending_bytes, -one.age_seconds))
    page = rows[asked.offset : asked.offset + asked.limit]
    return SessionPage(
        node=node_name(), total=len(rows), offset=asked.offset, limit=asked.limit, sessions=page
    )


def figures_of(statistics: object) -> dict[str, Figure]:
    """Give the plain values of a statistics object."""
    assert is_dataclass(statistics)
    found = {one.name: getattr(statistics, one.name) for one in fields(statistics)}
    return {
        name: value
        for name, value in found.items()
        if value is None or isinstance(value, bool | int | float | str)
    }


@cache
def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "trio": trio.__version__,
        "hypercorn": version("hypercorn"),
    }


async def _outboxes(services: Services) -> dict[str, Figure]:
    frames = pending = fullest = behind = 0
    remaining = services.fanout.all_sessions()
    while chunk := list(islice(remaining, SLICE)):
        for session in chunk:
            waiting = session.pending_bytes
            if waiting:
                behind += 1
                pending += waiting
                frames += session.pending_frames
                fullest = max(fullest, waiting)
        await trio.lowlevel.checkpoint()
    return {
        "pending_frames": frames,
        "pending_bytes": pending,
        "fullest_bytes": fullest,
        "behind": behind,
    }


def _session_row(session: Session) -> SessionRow:
    found = session.statistics()
    return SessionRow(
        session_id=session.id,
        user_id=session.user_id,
        age_seconds=found.age_seconds,
        transport="websocket",
        pending_frames=found.pending_frames,
        pending_bytes=found.pending_bytes,
        frames_sent=found.frames_sent,
        transient_dropped=found.transient_dropped,
        held_chats=found.held_chats,
    )


def _branch(branch: ServiceStatus | KindBranch) -> TreeNode:
    if isinstance(branch, ServiceStatus):
        return TreeNode(
            name=branch.name,
            kind="service",
            state=branch.state,
            restarts=max(0, branch.starts - 1),
            last_error=branch.last_error,
            children=[],
        )
    status = figures_of(branch.status)
    del status["kind"]
    return TreeNode(
        name=branch.place.name,
        kind="kind",
        state=branch.place.state,
        restarts=branch.status.restarts,
        strategy="one_for_one",
        last_error=branch.place.last_error,
        counts=status,
        children=[
            TreeNode(
                name=printed(one.address),
                kind="actor",
                state=one.state,
                restarts=one.restarts,
                last_error=one.last_error,
                counts={"depth": one.depth, "handled": one.handled},
                children=[],
            )
            for one in branch.busiest[:BUSIEST]
        ],
    )
