"""The composition root: builds a node from its settings, runs it, and takes it down in order.

The nesting is the design. Each part is opened inside what it needs, so that leaving unwinds in
reverse: stop accepting, close the sessions, drain the mailboxes, flush the writer, close the
pool, stop the embedded PostgreSQL. This module owns every nursery of the node: a crash of the
runtime ends the process with the true error instead of leaving a server without actors.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final

import trio

from actors.chat.decide import decide
from actors.chat.log import DatabaseChatLog
from actors.chat.ports import ChatMessage, ChatPorts
from actors.cluster.cluster import Cluster
from actors.cluster.record import DatabaseRecord
from actors.delivery.fanout import Fanout
from actors.delivery.session import CloseReason
from actors.runtime import ActorSystem
from actors.services import Endless, Writing
from actors.system import CHAT, ActorLimits, register_kinds
from actors.user.ports import UserPorts
from actors.user.presence import MAX_MEMBERS_TOLD, Presence
from actors.user.presence_link import PresenceLink
from aeon import garbage
from aeon.admin.trail import AuditTrail
from aeon.app import create_app, create_operators_app
from aeon.binding import metrics_config, server_config
from aeon.config import Settings
from aeon.logins import Logins
from aeon.media.depot import open_depot
from aeon.net.turns import Turns
from aeon.revocations import Revocations
from aeon.server import Config, Listening, NetLimits, serve
from aeon.services import Services
from aeon.stopping import Ending
from aeon.wire.events import WireEncoder
from aeon.wire.frames import HEARTBEAT_SECONDS, MAX_FRAME_BYTES
from storage import migrate
from storage.bus import Bus
from storage.database import Database
from storage.deployment import deployment_id
from storage.embedded import EmbeddedPostgres
from storage.errors import Unavailable
from storage.ids import ChatId
from storage.presence import PresenceStore
from storage.retention import RetentionJob, RetentionPolicy
from storage.writer import GroupWriter

KIND_SHARE: Final = 0.2
"""Of SHUTDOWN_SECONDS, at most this much goes to the mailboxes of one kind of actors: the writer,
which commits what they accepted, stops after them."""
CLOSING_SHARE: Final = 0.15
"""Is kept for what is closed after actors and writer."""


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """Give the database to use; starts and stops the embedded one when none is configured."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with EmbeddedPostgres.start(settings.embedded_dir) as postgres:
        yield postgres.url


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open everything below the server: database, writer, actors.

    Raises:
        storage.errors.Unavailable: the database can not be reached.
        storage.errors.SchemaMismatch: its schema is not this version's; the text says what to
            run. The embedded database is migrated instead.
        aeon.media.errors.StoreRefused: S3_BUCKET can't be used as it is configured.
    """
    async with database_url(settings) as url:
        if settings.database_url is None:
            await migrate.upgrade(url)
        async with Database.open(url) as database:
            await migrate.require_head(database)
            writing = Writing(lambda: GroupWriter(database, decide))
            fanout = Fanout()
            media = open_depot(settings, database, time.time)
            await media.check()
            encoder = WireEncoder(media.links.public)
            acquaintances = PresenceStore(database, max_members=MAX_MEMBERS_TOLD)
            presence = Presence(acquaintances, fanout, encoder)
            system = ActorSystem("aeon", transient=(Unavailable,))
            # Receivers before their senders: this is the order of starting, and of stopping
            # in reverse.
            system.add_service("writer", lambda: writing)
            audit = AuditTrail(database, kept_days=settings.audit_retention_days)
            system.add_service("audit", lambda: audit)
            bus = await open_bus(settings, database)
            cluster = None
            if bus is not None:
                record = DatabaseRecord(database)
                cluster = Cluster(bus, record, fanout, partial(_tell_chat, system))
                system.add_service("bus", lambda: Endless(bus, bus.farewell))
                system.add_service("cluster", lambda: Endless(cluster))
            system.add_service("presence", lambda: Endless(presence))
            if bus is not None:
                link = PresenceLink(bus, presence)
                system.add_service("presence_link", lambda: Endless(link))
            logins = Logins()
            revocations = Revocations(logins, fanout, database, bus)
            system.add_service("revocations", lambda: Endless(revocations))
            retention = _retention(settings, database)
            system.add_service("retention", lambda: Endless(retention))
            system.add_service("media", lambda: Endless(media))
            register_kinds(
                system,
                chat=ChatPorts(
                    appender=writing,
                    log=DatabaseChatLog(database),
                    encoder=encoder,
                    fanout=fanout,
                    cluster=None if cluster is None else cluster.relay,
                ),
                user=UserPorts(
                    fanout=fanout,
                    presence=presence,
                    arrivals=None if cluster is None else cluster.arrivals,
                ),
                limits=ActorLimits(
                    idle_seconds=settings.actor_idle_seconds,
                    shutdown_seconds=min(5.0, KIND_SHARE * settings.shutdown_seconds),
                ),
            )
            async with system:
                yield Services(
                    settings=settings,
                    database=database,
                    writer=writing,
                    system=system,
                    fanout=fanout,
                    bus=bus,
                    cluster=cluster,
                    presence=presence,
                    audit=audit,
                    logins=logins,
                    revocations=revocations,
                    media=media,
                    retention=retention,
                )


async def open_bus(settings: Settings, database: Database) -> Bus | None:
    """Give the bus to the other nodes, not running yet; None when there are none.

    A Redis that is merely away is waited for: until then this node is on its own.

    Raises:
        storage.bus.BusRefused: with these settings it will never work.
    """
    if settings.redis_url is None:
        return None
    # Imported where it is used: a node without Redis does not pay for it.
    from storage.bus_redis import RedisBus

    async with database.connection() as conn:
        deployment = await deployment_id(conn)
    url = settings.redis_url.get_secret_value()
    bus = RedisBus(url, namespace=f"{settings.redis_prefix}:{deployment}")
    await bus.check()
    return bus


def _tell_chat(system: ActorSystem, chat_id: ChatId, message: ChatMessage) -> bool:
    return system.ref(CHAT, chat_id).tell(message)


def _retention(settings: Settings, database: Database) -> RetentionJob:
    max_age = timedelta(days=settings.event_retention_days)
    return RetentionJob(database, RetentionPolicy(max_age=max_age))


def net_limits(settings: Settings) -> NetLimits:
    """Say what a peer may do; frame size and heartbeat are what the greeting promises."""
    return NetLimits(
        max_frame_bytes=MAX_FRAME_BYTES,
        heartbeat_seconds=float(HEARTBEAT_SECONDS),
        permessage_deflate=settings.websocket_compression == "on",
    )


async def run_node(
    settings: Settings,
    stop: trio.Event,
    *,
    config: Config | None = None,
    turns: Turns | None = None,
    ending: Ending | None = None,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a node until ``stop`` is set; ``task_status`` gets where it listens.

    A worker of several brings the ``config`` of the sockets it was given, and its ``turns``. How
    the stopping went is noted on ``ending``.
    """
    async with open_services(settings) as services:
        garbage.settle()
        try:
            await serve_node(services, stop, config=config, turns=turns, task_status=task_status)
        finally:
            if ending is not None:
                _share_what_is_left(services.system, ending, settings.shutdown_seconds)
    drained = services.system.drained
    if ending is not None and drained is not None:
        ending.actors_cut_off = len(drained.remaining)


def _share_what_is_left(system: ActorSystem, ending: Ending, shutdown_seconds: float) -> None:
    """Give the mailboxes and the writer what SHUTDOWN_SECONDS leave, but for closing the rest."""
    left = ending.seconds_left() - CLOSING_SHARE * shutdown_seconds
    system.shutdown_seconds = max(0.0, min(system.shutdown_seconds, left))


async def serve_node(
    services: Services,
    stop: trio.Event,
    *,
    config: Config | None = None,
    turns: Turns | None = None,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve HTTP and WebSocket until ``stop`` is set, then let everybody go in order."""
    app = create_app(services)

    async def drain() -> None:
        await stop.wait()
        services.lifecycle.is_draining = True
        services.streams.end_all()
        for session in services.fanout.all_sessions():
            session.end(CloseReason.SHUTDOWN)

    async def listen(task_status: trio.TaskStatus[Listening]) -> None:
        await serve(
            app,
            config or server_config(services.settings),
            shutdown=stop,
            limits=net_limits(services.settings),
            turns=turns,
            task_status=task_status,
        )
        nursery.cancel_scope.cancel(reason="the server has stopped")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        nursery.start_soon(services.loop_lag.run)
        if services.settings.metrics_bind is not None:
            # It answers until the very end: a node that drains is worth watching.
            bound: Listening = await nursery.start(
                _serve_operators, services, services.settings.metrics_bind
            )
            services.lifecycle.metrics_listening = bound
        listening: Listening = await nursery.start(listen)
        services.lifecycle.listening = listening
        task_status.started(listening)


async def _serve_operators(
    services: Services, bind: str, *, task_status: trio.TaskStatus[Listening]
) -> None:
    """Serve ``/metrics`` and what operators use, until cancelled."""
    await serve(
        create_operators_app(services),
        metrics_config(bind),
        shutdown=trio.sleep_forever,
        task_status=task_status,
    )
