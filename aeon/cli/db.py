"""``aeon db``: the schema of the database in DATABASE_URL (or of the embedded one)."""

from __future__ import annotations

from typing import Annotated

import typer

from aeon.cli.faults import teach
from aeon.config import load_settings
from aeon.interruption import run_until_interrupted

app = typer.Typer(
    help="Migrate the database, or look at its schema.\n\nIt is the one in DATABASE_URL, or the"
    " embedded one, which aeon serve migrates by itself. Exit status: 0, or 2 with a sentence.",
    no_args_is_help=True,
)


def _known(revision: str) -> str:
    from storage import migrate

    if revision not in (known := ["head", *migrate.revisions(), "base"]):
        raise typer.BadParameter(f"there is none like this; there are {', '.join(known)}")
    return revision


@app.command()
def upgrade(
    revision: Annotated[
        str, typer.Argument(help="Revision to go to; head is the newest.", callback=_known)
    ] = "head",
) -> None:
    """Bring the schema up to a revision: before the first start, and after each update."""
    from aeon.main import database_url
    from storage import migrate

    async def run() -> None:
        async with database_url(load_settings()) as url:
            await migrate.upgrade(url, revision)

    with teach():
        run_until_interrupted(run)
        typer.echo(f"The schema is at {revision}.")


@app.command()
def downgrade(
    revision: Annotated[
        str,
        typer.Argument(
            help='Revision to go back to, like 0003; "base" removes everything.', callback=_known
        ),
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
        run_until_interrupted(run)
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
        run_until_interrupted(run)
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
        found = run_until_interrupted(run)
        typer.echo(f"database: {found or 'empty'}\nneeded:   {migrate.head_revision()}")
