"""``aeon db``: the schema of the database in DATABASE_URL (or of the embedded one)."""

from __future__ import annotations

from typing import Annotated

import trio
import typer

from aeon.cli.faults import teach
from aeon.config import load_settings

app = typer.Typer(help="Migrate the database, or look at its schema.", no_args_is_help=True)


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go to.")] = "head",
) -> None:
    """Bring the schema up to a revision."""
    from aeon.main import database_url
    from storage import migrate

    async def run() -> None:
        async with database_url(load_settings()) as url:
            await migrate.upgrade(url, revision)

    with teach():
        trio.run(run)
        typer.echo(f"The schema is at {revision}.")


@app.command()
def downgrade(
    revision: Annotated[
        str, typer.Argument(help='Revision to go back to; "base" removes everything.')
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; data in dropped tables is lost.")
    ] = False,
) -> None:
    """Take the schema back to a revision. Data in dropped tables and columns is lost."""
    from aeon.main import database_url
    from storage import migrate

    if not yes:
        typer.confirm(f"Go back to {revision} and lose what newer tables hold?", abort=True)

    async def run() -> None:
        async with database_url(load_settings()) as url:
            await migrate.downgrade(url, revision)

    with teach():
        trio.run(run)
        typer.echo(f"The schema is at {revision}.")


@app.command()
def check() -> None:
    """Say whether the schema is the one this version needs: exit status 0, or 2."""
    from aeon.main import database_url
    from storage import migrate
    from storage.database import Database

    async def run() -> None:
        async with (
            database_url(load_settings()) as url,
            Database.open(url, pool_size=1) as database,
        ):
            await migrate.require_head(database)

    with teach():
        trio.run(run)
        typer.echo("The schema is the one this version needs.")


@app.command()
def current() -> None:
    """Show the revision the database is at, and the one this version needs."""
    from aeon.main import database_url
    from storage import migrate
    from storage.database import Database

    async def run() -> str | None:
        async with (
            database_url(load_settings()) as url,
            Database.open(url, pool_size=1) as database,
        ):
            return await migrate.current_revision(database)

    with teach():
        found = trio.run(run)
        typer.echo(f"database: {found or 'empty'}\nneeded:   {migrate.head_revision()}")
