"""What PostgreSQL did for the statements of a connection, as its auto_explain tells it.

The statements are the real ones: prepared, and planned without knowing their values, as they are
on a connection that has run them a few times.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from psycopg.errors import Diagnostic

from storage.database import Database

_SETTINGS = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_analyze = on",
    "SET auto_explain.log_buffers = on",
    "SET auto_explain.log_timing = off",
    "SET auto_explain.log_format = json",
    # Not the server's log: the client hears it.
    "SET auto_explain.log_level = notice",
    "SET plan_cache_mode = force_generic_plan",
)


class Plans:
    """What was touched since the last ``forget``."""

    def __init__(self) -> None:
        self._blocks = 0
        self.scans: set[str] = set()
        """Tables that were read from end to end."""

    @property
    def blocks(self) -> int:
        """Pages; of nothing at all nobody was told."""
        assert self._blocks, "no plan was heard of"
        return self._blocks

    def forget(self) -> None:
        self._blocks = 0
        self.scans = set()

    def note(self, notice: Diagnostic) -> None:
        _, separator, plan = (notice.message_primary or "").partition("plan:\n")
        if separator:
            top = orjson.loads(plan)["Plan"]
            self._blocks += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
            self._note_scans(top)

    def _note_scans(self, node: Mapping[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan":
            self.scans.add(node["Relation Name"])
        for child in node.get("Plans", ()):
            self._note_scans(child)


@asynccontextmanager
async def explained(database_url: str) -> AsyncIterator[tuple[Database, Plans]]:
    """A database of one connection, all of whose statements are told of."""
    plans = Plans()
    async with Database.open(database_url, pool_size=1) as database:
        async with database.connection() as conn:
            conn._driver.add_notice_handler(plans.note)
            for setting in _SETTINGS:
                await conn.execute(setting)
        yield database, plans
