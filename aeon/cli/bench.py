"""``aeon bench``: what this machine can do, as ratios taken in one run."""

from __future__ import annotations

import typer

from aeon.bench import actors, connections, fanout, media, storage

app = typer.Typer(help="Measure this machine.", no_args_is_help=True)
app.command("actors")(actors.command)
app.command("storage")(storage.command)
app.command("fanout")(fanout.command)
app.command("connections")(connections.command)
app.command("media")(media.command)
