"""``aeon serve``: run a node until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import typer

from aeon.config import Settings, load_settings
from aeon.main import EMBEDDED_DIRECTORY, run_node
from aeon.observe import configure_logging
from aeon.server import Listening
from storage.embedded import location

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(*, host: str | None, port: int | None) -> None:
    """Serve with the settings of the environment and ``.env``."""
    settings = load_settings(host=host, port=port, is_serving=True)
    configure_logging(settings)
    trio.run(_serve, settings, strict_exception_groups=True)


async def _serve(settings: Settings) -> None:
    stop = trio.Event()
    async with _signals_set(stop), trio.open_nursery() as nursery:
        listening: Listening = await nursery.start(run_node, settings, stop)
        _say_where(settings, listening)


@asynccontextmanager
async def _signals_set(stop: trio.Event) -> AsyncIterator[None]:
    """Set ``stop`` at the first SIGINT or SIGTERM; a second one cuts the draining short."""
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(*_STOP_SIGNALS) as signals:

            async def watch() -> None:
                async for _ in signals:
                    if stop.is_set():
                        typer.echo("Stopping at once.", err=True)
                        nursery.cancel_scope.cancel(reason="second stop signal")
                        return
                    typer.echo("Draining; once more to stop at once.", err=True)
                    stop.set()

            nursery.start_soon(watch)
            yield
            nursery.cancel_scope.cancel(reason="the node has stopped")


def _say_where(settings: Settings, listening: Listening) -> None:
    url = settings.public_url or listening.url
    typer.echo(f"Aeon listens on {listening.url}")
    typer.echo(f"  API docs   {url}/docs")
    typer.echo(f"  WebSocket  {url.replace('http', 'ws', 1)}/ws")
    if settings.database_url is None:
        data_dir = location(settings.data_dir / EMBEDDED_DIRECTORY)
        typer.echo(f"  database   embedded PostgreSQL in {data_dir}")
    else:
        typer.echo("  database   DATABASE_URL")
    if not settings.can_authenticate:
        typer.secho(
            "Nobody can log in until TELEGRAM_BOT_TOKEN is set (see env.example).",
            fg="yellow",
            err=True,
        )
