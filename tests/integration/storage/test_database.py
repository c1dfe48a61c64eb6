"""The driver's plain paths on a real PostgreSQL."""

from __future__ import annotations

from storage.database import Database, Query

ONE = Query("SELECT 1")
ADD = Query("SELECT %(a)s + %(b)s, %(t)s::text")


async def test_fetch(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetch_all(ONE) == [(1,)]
        for _ in range(3):
            assert await connection.fetch_one(ADD, {"a": 1, "b": 2, "t": "x"}) == (3, "x")
        assert await connection.fetch_one("SELECT 1 WHERE false") is None
    assert database.statistics().round_trips == 6
