"""``aeon serve``: run a node, or the supervisor of several, until it is told to stop."""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog
import trio
import typer

from aeon import early_signals
from aeon.config import Settings, load_settings
from aeon.observe import configure_logging
from aeon.stopping import Ending, start_until, stopping
from aeon.supervise.notify import Notifier
from storage.embedded import location

_log: Final = structlog.get_logger(__name__)


def run(*, host: str | None, port: int | None, workers: int | None) -> int:
    """Serve with the settings of the environment and ``.env``; gives the exit status."""
    settings = load_settings(host=host, port=port, workers=workers, is_serving=True)
    if settings.workers is not None:
        from aeon.supervise.command import supervise

        return supervise(settings, lambda address: _say_where(settings, address))
    # A terminal that is closed, or a reload that only a supervisor can do: drain all the same.
    early_signals.end_at_hangups()
    configure_logging(settings)
    ending = trio.run(_serve, settings, strict_exception_groups=True)
    return ending.exit_status


async def _serve(settings: Settings) -> Ending:
    from aeon.main import run_node
    from aeon.server import Listening

    notifier = Notifier()
    stop = trio.Event()
    budget = settings.shutdown_seconds
    async with stopping(
        stop, within_seconds=budget, signals=early_signals.stop_signals()
    ) as ending:
        try:
            async with trio.open_nursery() as nursery:
                node = partial(run_node, settings, stop, ending=ending)
                listening: Listening | None = await start_until(stop, nursery, node)
                if listening is not None:
                    _say_where(settings, listening.url)
                    notifier.ready(f"Listens on {listening.url}")
                    await stop.wait()
                    notifier.stopping()
                    typer.echo("Draining; once more to stop at once.", err=True)
        finally:
            early_signals.end_with(ending.exit_status)
    return ending


def _say_what_is_unused(settings: Settings) -> None:
    # Another program may want them: no reason not to start.
    if names := settings.unused_names:
        _log.warning(
            "settings_unused",
            names=list(names),
            reason="S3_BUCKET is not set: uploaded files are kept in UPLOAD_DIR",
        )


def _say_where(settings: Settings, address: str) -> None:
    url = settings.public_url or address
    typer.echo(f"Aeon listens on {address}")
    typer.echo(f"  API docs   {url}/docs")
    typer.echo(f"  WebSocket  {url.replace('http', 'ws', 1)}/ws")
    if settings.workers is not None:
        typer.echo(f"  workers    {settings.workers}")
    if settings.database_url is None:
        typer.echo(f"  database   embedded PostgreSQL in {location(settings.embedded_dir)}")
    else:
        typer.echo("  database   DATABASE_URL")
    if not settings.can_authenticate:
        typer.secho(
            "Nobody can log in until TELEGRAM_BOT_TOKEN is set (see env.example).",
            fg="yellow",
            err=True,
        )
    _say_what_is_unused(settings)
