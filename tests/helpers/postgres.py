"""PostgreSQL for tests: one cluster per test process, a fresh migrated database per test."""

from __future__ import annotations

import fcntl
import itertools
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg
import trio
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from storage import migrate
from storage.embedded import EmbeddedPostgres
from storage.postmaster import Postmaster

FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "autovacuum": "off",
}
"""Fast and forgetful: a test that pulls the plug starts a cluster of its own."""

TEMPLATE = "aeon_template"


class TestServer:
    """The shared cluster: hands out databases and takes them back."""

    __test__ = False

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = itertools.count(1)
        self._has_template = False

    def url(self, database: str) -> str:
        return self.server.url.replace("/aeon?", f"/{database}?")

    def create_database(self, *, migrated: bool = True) -> str:
        """A new database; its URL."""
        if migrated and not self._has_template:
            self._execute("CREATE DATABASE {}", TEMPLATE)
            trio.run(migrate.upgrade, self.url(TEMPLATE))
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        if migrated:
            self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG", name, TEMPLATE)
        else:
            self._execute("CREATE DATABASE {}", name)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop it whoever is still connected."""
        name = conninfo_to_dict(url)["dbname"]
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", str(name))

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


def sweep(directories: Iterable[Path]) -> None:
    """Stop and remove what killed test runs left behind."""
    long_ago = time.time() - 600
    for directory in directories:
        lock_path = directory / "pg" / "users.lock"
        if not lock_path.exists() or lock_path.stat().st_mtime > long_ago:
            continue
        with lock_path.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            server = Postmaster.find(directory / "pg" / "cluster")
            if server is not None:
                server.stop(5)
            shutil.rmtree(directory, ignore_errors=True)
