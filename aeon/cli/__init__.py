"""The ``aeon`` command.

Each command imports what it runs only when it runs, so that ``aeon --help`` stays quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from aeon.cli import bench, db, load, top
from aeon.cli.faults import teach
from aeon.version import VERSION

app = typer.Typer(
    name="aeon",
    help="Aeon: a realtime messenger backend for Telegram Mini Apps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; overrides HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one; overrides PORT.", min=0, max=65535),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that share the port, under a supervisor; overrides WORKERS.",
            show_default=False,
            min=1,
            max=256,
        ),
    ] = None,
) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    With --workers, one that dies is started again, one that hangs for WATCHDOG_SECONDS is
    replaced, and SIGHUP replaces all of them one by one; more than one needs REDIS_URL.
    Without DATABASE_URL it starts its own PostgreSQL under DATA_DIR and migrates it. Settings
    come from the environment and from .env; env.example explains each.

    Exit status: 0 when everything it had accepted was finished; 1 when SHUTDOWN_SECONDS were over
    or a second signal came; 2 when a setting or the database is wrong; 3 when workers kept
    failing; 4 when it stopped in order, but had to cut actors off.
    """
    from aeon.cli.serve import run

    with teach():
        raise typer.Exit(run(host=host, port=port, workers=workers))


app.command()(top.top)


@app.command("secret-key")
def secret_key() -> None:
    """Make a secret key, kept in DATA_DIR/secret_key, unless there is one or SECRET_KEY is set.

    Then a server with DATABASE_URL starts without SECRET_KEY. For one machine: all nodes need the
    same key.
    """
    from aeon.config import SECRET_KEY_FILE, kept_secret_key, load_settings

    with teach():
        settings = load_settings()
        if settings.secret_key is None:
            kept_secret_key(settings.data_dir)
            typer.echo(f"The secret key is in {settings.data_dir / SECRET_KEY_FILE}.")
        else:
            typer.echo("SECRET_KEY is set.")


@app.command()
def health(
    url: Annotated[
        str | None,
        typer.Option(help="Base URL; not given: the server of these settings, on this machine."),
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for the answer.", min=0.1)
    ] = 5.0,
) -> None:
    """Ask a server whether it is ready: exit status 0 if it is, else 1; 2 for wrong settings."""
    from aeon.cli.health import run

    with teach():
        raise typer.Exit(run(url=url, timeout_seconds=timeout_seconds))


@app.command()
def demo(
    messages: Annotated[int, typer.Option(help="Messages each person sends.", min=1)] = 5,
    verbose: Annotated[bool, typer.Option(help="Show the server's log as well.")] = False,
) -> None:
    """Let two people chat on a throw-away server, and show what both of them see.

    Needs nothing: it starts on a free port in a temporary directory with its own bot token and
    database, and removes them afterwards. Exit status 0 only if every message arrived at both,
    once and in order.
    """
    from aeon.demo import run

    with teach():
        raise typer.Exit(run(messages=messages, verbose=verbose))


@app.command()
def seed(
    users: Annotated[int, typer.Option(help="People to make.", min=1)] = 1_000,
    chats: Annotated[int, typer.Option(help="Chats to make.", min=1)] = 200,
    messages: Annotated[int, typer.Option(help="Messages over all chats.", min=0)] = 100_000,
) -> None:
    """Fill a database with made-up people, chats and messages, for benchmarks.

    It is the one in DATABASE_URL, or the embedded one. What is there already stays; do not do this
    to a database that people use: nothing takes it out again.
    """
    from aeon.cli.seed import run

    with teach():
        run(users=users, chats=chats, messages=messages)


app.add_typer(db.app, name="db")
app.add_typer(load.app, name="load")
app.add_typer(bench.app, name="bench")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"aeon {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool | None,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = None,
) -> None:
    pass
