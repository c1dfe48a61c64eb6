"""``aeon serve`` with workers: what is done once for all of them, then the supervisor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import trio

from aeon import early_signals
from aeon.binding import server_config
from aeon.config import Settings
from aeon.observe import configure_logging
from aeon.stopping import stopping
from aeon.supervise.notify import Notifier
from aeon.supervise.supervisor import ExitStatus, Plan, State, Supervisor
from storage.embedded import EmbeddedPostgres


def supervise(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the workers until told to stop; gives the exit status.

    Args:
        settings: for a server, with ``workers`` set.
        announce: is told the address once every worker listens.

    Raises:
        OSError: an address can not be bound.
        storage.errors.Unavailable: the embedded database does not start.
    """
    assert settings.workers is not None
    configure_logging(settings)
    notifier = Notifier()
    with ExitStack() as sockets_open:
        config = server_config(settings)
        sockets = config.create_sockets()
        secure = sockets.secure_sockets
        insecure = sockets.insecure_sockets
        for sock in (*secure, *insecure):
            sockets_open.enter_context(sock)
            sock.set_inheritable(False)
            # Before any worker is ready: whoever connects meanwhile waits instead of failing.
            sock.listen(config.backlog)
        metrics = _metrics_sockets(settings, settings.workers)
        for sock in metrics:
            sockets_open.enter_context(sock)
        first = (secure or insecure)[0]
        address = _address(first, is_secure=bool(secure))
        plan = Plan(
            workers=settings.workers,
            host=settings.host,
            port=_port(first, settings.port),
            sockets=tuple(sock.fileno() for sock in (secure or insecure)),
            insecure_sockets=tuple(sock.fileno() for sock in insecure) if secure else (),
            metrics_sockets=tuple(sock.fileno() for sock in metrics),
            shutdown_seconds=settings.shutdown_seconds,
            watchdog_seconds=settings.watchdog_seconds,
        )
        has_announced = False

        def on_state(state: State) -> None:
            nonlocal has_announced
            if state == "ready":
                who = "1 worker listens" if plan.workers == 1 else f"{plan.workers} workers listen"
                notifier.ready(f"{who} on {address}")
                if not has_announced:
                    announce(address)
                has_announced = True
            elif state == "reloading":
                notifier.reloading()
            else:
                notifier.stopping()

        return trio.run(_run, settings, plan, on_state, strict_exception_groups=True)


async def _run(settings: Settings, plan: Plan, on_state: Callable[[State], None]) -> int:
    # While it prepares, a signal just ends it; the supervisor then has its own way. SIGHUP is not
    # missed meanwhile: the workers that are about to be started are new.
    async with stopping(trio.Event(), within_seconds=0.0), _database(settings):
        if status := await _prepare_schema(settings):
            return status
        status = await Supervisor(plan, on_state).run()
        early_signals.end_with(status)
        return status
    return ExitStatus.DRAINED


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[None]:
    """Keep the embedded PostgreSQL, where it is used; the workers attach to it."""
    if settings.database_url is not None:
        yield
        return
    async with EmbeddedPostgres.start(settings.embedded_dir):
        yield


async def _prepare_schema(settings: Settings) -> int:
    """Migrate the embedded database, or check that the other one is migrated; an exit status.

    In a process of its own, so that the supervisor stays small.
    """
    what = ["upgrade"] if settings.database_url is None else ["check"]
    done = await trio.run_process(
        [sys.executable, "-m", "aeon", "db", *what],
        check=False,
        stdout=subprocess.DEVNULL,
        # A terminal's Ctrl-C is for us; an interrupted check would look like a refused schema.
        start_new_session=True,
    )
    return ExitStatus.REFUSED if done.returncode else 0


def _metrics_sockets(settings: Settings, workers: int) -> list[socket.socket]:
    """Bind METRICS_BIND's port plus the number of each worker.

    Here and not in the workers, so that a successor answers on its predecessor's port at once.
    """
    if settings.metrics_address is None:
        return []
    host, port = settings.metrics_address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound: list[socket.socket] = []
    try:
        for number in range(1, workers + 1):
            place = (host, port + number if port else 0)
            bound.append(socket.create_server(place, family=family))
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def _address(sock: socket.socket, *, is_secure: bool) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"{'https' if is_secure else 'http'}://{host}:{name[1]}"


def _port(sock: socket.socket, default: int) -> int:
    name = sock.getsockname()
    return int(name[1]) if isinstance(name, tuple) else default
