"""A connection that counts the pages PostgreSQL touches for each statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.database import Connection
from storage.query import Query


class ExplainedConnection(Connection):
    """Runs every statement twice: once under EXPLAIN, for its cost, and once for its rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.blocks = 0
        self.scans: list[str] = []
        """Tables that were read from end to end."""

    async def fetch_all(self, query: Any, params: Mapping[str, object] = {}) -> Any:
        await self._explain(query, params)
        return await self._connection.fetch_all(query, params)

    async def fetch_one(self, query: Any, params: Mapping[str, object] = {}) -> Any:
        await self._explain(query, params)
        return await self._connection.fetch_one(query, params)

    async def fetch_many(self, queries: Sequence[Any], *, commit: bool = False) -> Any:
        for query, params in queries:
            await self._explain(query, params)
        return await self._connection.fetch_many(queries, commit=commit)

    async def _explain(self, query: Query, params: Mapping[str, object]) -> None:
        row = await self._connection.fetch_one(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.sql}",
            {**query._defaults, **params},
        )
        assert row is not None
        plan = row[0][0]["Plan"]
        self.blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self._note_scans(plan)

    def _note_scans(self, node: Mapping[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan":
            self.scans.append(node["Relation Name"])
        for child in node.get("Plans", ()):
            self._note_scans(child)
