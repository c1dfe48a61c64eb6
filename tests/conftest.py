"""What every test has: a bound on its time; and may use: a real PostgreSQL, databases in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from tests.helpers.hangs import run_bounded
from tests.helpers.postgres import FAST_SETTINGS, TestServer, sweep

# How long an example takes says something of the machine only: 0.2 s, unless told otherwise.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound every test that runs in Trio; what else hangs is pytest-timeout's business."""
    for item in items:
        if item.get_closest_marker("trio") is not None:
            item.add_marker(pytest.mark.trio(run=run_bounded), append=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """One cluster per test process, stopped and removed at its end."""
    sweep(Path(tempfile.gettempdir()).glob("aeon-test-*"))
    # Not pytest's own directory: it is closed to the account that runs the server under root.
    directory = Path(tempfile.mkdtemp(prefix="aeon-test-"))
    directory.chmod(0o711)
    try:
        with EmbeddedPostgres.running(directory / "pg", settings=FAST_SETTINGS) as server:
            yield TestServer(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database_url(postgres_server: TestServer) -> Iterator[str]:
    """A fresh migrated database, dropped afterwards."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on a fresh migrated database."""
    async with Database.open(database_url) as opened:
        yield opened


@pytest.fixture
def empty_database_url(postgres_server: TestServer) -> Iterator[str]:
    """A database without any schema."""
    url = postgres_server.create_database(migrated=False)
    yield url
    postgres_server.drop_database(url)
