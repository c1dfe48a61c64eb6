"""A real node in this process, on a real port, over a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from tests.helpers.clients import Server
from tests.helpers.telegram import BOT_TOKEN


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        host="127.0.0.1",
        port=0,
        database_url=database_url,
        data_dir=tmp_path,
        upload_dir=tmp_path / "uploads",
        telegram_bot_token=BOT_TOKEN,
        secret_key="s" * 48,
        rate_limits="off",
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


@pytest.fixture
async def server(services: Services) -> AsyncIterator[Server]:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_node, services, stop)
        yield Server(listening.url)
        stop.set()
