"""A worker: a node like any other, on sockets it was handed, that ends with its supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Final

import trio

from aeon import early_signals
from aeon.cli.faults import teach
from aeon.config import Settings, load_settings
from aeon.net.turns import Table, Turns
from aeon.observe import configure_logging
from aeon.stopping import Ending, start_until, stopping
from aeon.supervise.orders import Orders
from aeon.supervise.watchdog import Pulse

OVERDUE_SECONDS: Final = 5.0
"""After the budget for stopping, what is left of an orphan ends itself."""
_READY: Final = b"ready\n"


def main() -> None:
    """Run until told to stop, or until the supervisor is gone."""
    orders = Orders.from_arguments(sys.argv[1:])
    with teach():
        settings = load_settings(host=orders.host, port=orders.port, is_serving=True)
        if orders.metrics is not None:
            settings = settings.model_copy(update={"metrics_bind": f"fd://{orders.metrics}"})
        configure_logging(settings, worker=orders.number)
        ending = trio.run(_serve, settings, orders, strict_exception_groups=True)
    raise SystemExit(ending.exit_status)


async def _serve(settings: Settings, orders: Orders) -> Ending:
    from aeon.binding import server_config
    from aeon.main import run_node

    config = server_config(settings)
    config.bind = [f"fd://{one}" for one in orders.sockets]
    config.insecure_bind = [f"fd://{one}" for one in orders.insecure_sockets]
    turns = Turns(Table(orders.table), orders.slot)
    stop = trio.Event()
    _end_with_the_supervisor(orders.life, stop, settings.shutdown_seconds + OVERDUE_SECONDS)
    async with stopping(stop, within_seconds=settings.shutdown_seconds) as ending:
        try:
            async with trio.open_nursery() as nursery:

                async def run(task_status: trio.TaskStatus[object]) -> None:
                    node = partial(run_node, config=config, turns=turns, ending=ending)
                    await node(settings, stop, task_status=task_status)
                    nursery.cancel_scope.cancel(reason="the node has ended")

                nursery.start_soon(Pulse(Table(orders.beats), orders.slot).run)
                if await start_until(stop, nursery, run) is None:
                    nursery.cancel_scope.cancel(reason="the node has not started")
                    return ending
                _say_ready(orders.ready)
        finally:
            early_signals.end_with(ending.exit_status)
    return ending


def _end_with_the_supervisor(life: int, stop: trio.Event, overdue_seconds: float) -> None:
    """Stop as if told to when the supervisor is gone.

    A thread watches, so that a busy or stuck event loop is no way to outlive it for long.
    """
    token = trio.lowlevel.current_trio_token()

    def watch() -> None:
        with suppress(OSError):
            os.read(life, 1)
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(stop.set)
        threading.Event().wait(overdue_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


def _say_ready(descriptor: int) -> None:
    # A supervisor that has just gone is the watching thread's business.
    with suppress(OSError):
        os.write(descriptor, _READY)
        os.close(descriptor)
