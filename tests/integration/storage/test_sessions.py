"""Sessions and the audit trail on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage import audit, sessions, users
from storage.database import Database
from storage.errors import Conflict
from storage.ids import UserId
from storage.users import LoginProfile

ME, OTHER = UserId(1), UserId(2)
LATER = datetime.now(UTC) + timedelta(hours=1)
PAST = datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
async def people(database: Database) -> Database:
    async with database.connection() as conn:
        for user_id in (ME, OTHER):
            await users.upsert_login(conn, LoginProfile(id=user_id, first_name="P"))
    return database


async def test_a_session_is_active_until_revoked_or_expired(people: Database):
    async with people.connection() as conn:
        created = await sessions.create(conn, "one", ME, expires_at=LATER, device="phone")
        await sessions.create(conn, "stale", ME, expires_at=PAST)
        assert await sessions.get_active(conn, "one") == created
        assert await sessions.get_active(conn, "stale") is None
        assert await sessions.get_active(conn, "none") is None
        assert await sessions.list_active(conn, ME) == [created]
        assert not await sessions.revoke(conn, "one", OTHER)
        assert await sessions.revoke(conn, "one", ME)
        assert not await sessions.revoke(conn, "one", ME)
        assert await sessions.get_active(conn, "one") is None


async def test_revoking_all_but_this_one(people: Database):
    async with people.connection() as conn:
        for name in ("a", "b", "c"):
            await sessions.create(conn, name, ME, expires_at=LATER)
        await sessions.create(conn, "theirs", OTHER, expires_at=LATER)
        assert sorted(await sessions.revoke_all(conn, ME, keep_id="b")) == ["a", "c"]
        assert [one.id for one in await sessions.list_active(conn, ME)] == ["b"]
        assert await sessions.revoke_all(conn, ME) == ["b"]
        assert await sessions.get_active(conn, "theirs") is not None


async def test_ids_are_unique_and_belong_to_people(people: Database):
    async with people.connection() as conn:
        await sessions.create(conn, "one", ME, expires_at=LATER)
        with pytest.raises(Conflict):
            await sessions.create(conn, "one", OTHER, expires_at=LATER)
        with pytest.raises(Conflict):
            await sessions.create(conn, "two", UserId(404), expires_at=LATER)


async def test_use_is_noted_to_the_minute(people: Database):
    async with people.connection() as conn:
        await sessions.create(conn, "one", ME, expires_at=LATER)
        await sessions.touch(conn, "one")
        fresh = await sessions.get_active(conn, "one")
        await conn.execute("UPDATE sessions SET created_at = created_at - interval '1 hour'")
        await sessions.touch(conn, "one")
        used = await sessions.get_active(conn, "one")
    assert fresh is not None
    assert fresh.last_used_at is None
    assert used is not None
    assert used.last_used_at is not None


async def test_expired_sessions_are_deleted(people: Database):
    async with people.connection() as conn:
        await sessions.create(conn, "stale", ME, expires_at=PAST)
        await sessions.create(conn, "one", ME, expires_at=LATER)
        assert await sessions.delete_expired(conn) == 1
        assert await sessions.delete_expired(conn) == 0


async def test_the_audit_trail_reads_newest_first(database: Database):
    async with database.connection() as conn:
        first = await audit.append_entry(conn, "set_admin", actor_id=ME, target="user:2")
        second = await audit.append_entry(conn, "purge", data={"events": 12, "dry": False})
        assert await audit.list_entries(conn) == [second, first]
        assert await audit.list_entries(conn, before_id=second.id) == [first]
        assert await audit.list_entries(conn, limit=1) == [second]
    assert second.actor_id is None
    assert second.data == {"events": 12, "dry": False}


async def test_deeds_are_appended_together_and_the_old_go(database: Database):
    now = datetime.now(UTC)
    entries = [
        audit.NewAuditEntry(
            at=now - timedelta(days=100 - number),
            actor_id=None if number % 2 else ME,
            action="list_actors",
            target=None,
            data={"outcome": "ok", "number": number},
        )
        for number in range(100)
    ]
    async with database.connection() as conn:
        await audit.append_entries(conn, entries)
        found = await audit.list_entries(conn, limit=200)
        assert [one.data and one.data["number"] for one in found] == list(range(99, -1, -1))
        assert [one.at for one in found] == [entry.at for entry in reversed(entries)]
        old = timedelta(days=90.5)
        assert await audit.delete_old(conn, max_age=old, max_entries=1000) == 10
        assert await audit.delete_old(conn, max_age=old, max_entries=30) == 60
        assert await audit.delete_old(conn, max_age=old, max_entries=30) == 0
        left = await audit.list_entries(conn, limit=200)
        assert [one.data and one.data["number"] for one in left] == list(range(99, 69, -1))
