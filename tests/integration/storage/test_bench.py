"""The storage bench measures, at a size where nothing it says means anything."""

from __future__ import annotations

import io

from rich.console import Console

from aeon.bench.storage import GROUP, WRITERS, Sizes, run, show
from aeon.seed import seed
from storage.database import Database

TINY = Sizes(seconds=0.05, rounds=1, large_chat=1_500, total=3_000)


async def test_a_tiny_run_has_every_figure(database_url: str) -> None:
    figures = await run(TINY, url=database_url)

    assert [writing.writers for writing in figures.writing[GROUP]] == list(WRITERS)
    assert all(way.messages > 0 for ways in figures.writing.values() for way in ways)
    assert figures.writing[GROUP][-1].commits_per_message < 0.1
    assert list(figures.first_page) == [1_000, 1_500]
    assert figures.chat_list.queries == 1
    output = io.StringIO()
    show(figures, Console(file=output, width=120))
    assert "first page of 1,500 messages" in output.getvalue()


async def test_seeding_shows_its_progress(database: Database) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    await seed(database, users=5, chats=2, messages=20, console=console)
    assert "27/27" in output.getvalue()
