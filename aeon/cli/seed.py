"""``aeon seed``: made-up data for benchmarks, into the configured database."""

from __future__ import annotations

import typer

from aeon.config import load_settings
from aeon.interruption import run_until_interrupted
from aeon.main import database_url
from aeon.seed import seed
from storage import migrate
from storage.database import Database


def run(*, users: int, chats: int, messages: int) -> None:
    """Fill the configured database."""

    async def fill() -> None:
        settings = load_settings()
        async with database_url(settings) as url:
            if settings.database_url is None:
                await migrate.upgrade(url)
            async with Database.open(url) as database:
                await migrate.require_head(database)
                await seed(database, users=users, chats=chats, messages=messages)

    run_until_interrupted(fill)
    typer.echo(f"Made {users} people, {chats} chats, {messages} messages.")
