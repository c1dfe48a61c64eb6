"""Logins, names that move between people, and look-ups, on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trio

from storage import presence, users
from storage.database import Database
from storage.errors import InvalidData
from storage.ids import UserId
from storage.users import LoginProfile, LoginResult

ADA = LoginProfile(
    id=UserId(7_000_000_007),
    first_name="Ada",
    last_name="Lovelace",
    username="ada",
    profile_photo_url="https://t.me/i/ada.jpg",
    language_code="en",
    is_premium=True,
)


async def login(database: Database, profile: LoginProfile, **options: bool) -> LoginResult:
    async with database.connection() as conn:
        return await users.upsert_login(conn, profile, **options)


async def test_first_login_creates_and_second_writes_nothing(database: Database):
    first = await login(database, ADA)
    async with database.connection() as conn:
        before = await conn.fetch_one("SELECT xmin::text, ctid::text FROM users")
        xid_before = await conn.fetch_one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    second = await login(database, ADA)
    async with database.connection() as conn:
        after = await conn.fetch_one("SELECT xmin::text, ctid::text FROM users")
        xid_after = await conn.fetch_one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")

    assert first.is_new
    assert not second.is_new
    assert second.user == first.user
    assert first.user.username == "ada"
    assert first.user.language_code == "en"
    assert after == before
    assert xid_after == xid_before, "the login took a transaction id, so it wrote"


async def test_what_a_person_gave_up_is_forgotten(database: Database):
    """Fault: who gives up a username is invited by it for ever, in place of who has it now."""
    await login(database, ADA, is_admin=True)

    user = (await login(database, LoginProfile(id=ADA.id))).user

    assert (user.last_name, user.username, user.profile_photo_url) == (None, None, None)
    assert user.first_name == "Ada", "everybody has a first name"
    assert not user.is_premium
    assert user.is_admin
    assert user.updated_at is not None
    async with database.connection() as conn:
        assert await users.find_by_username(conn, "ada") is None


async def test_a_bare_login_writes_nothing_the_second_time(database: Database):
    bare = LoginProfile(id=ADA.id)
    await login(database, ADA)
    first = await login(database, bare)
    second = await login(database, bare)

    assert second.user == first.user


async def test_a_tab_that_stayed_open_changes_nothing(database: Database):
    """Fault: an old tab that comes to another node takes back a name that has moved on."""
    taker = LoginProfile(id=UserId(2), first_name="Bob", username="ada")
    old_tab = replace(ADA, told_at=datetime.now(UTC) - timedelta(hours=2))
    await login(database, old_tab)
    await login(database, taker)

    again = (await login(database, replace(old_tab, last_name="Byron"), is_admin=True)).user
    opened_anew = (await login(database, replace(ADA, username=None))).user

    assert (again.username, again.last_name) == (None, "Lovelace")
    assert again.is_admin
    assert opened_anew.username is None
    async with database.connection() as conn:
        held = await users.find_by_username(conn, "ada")
    assert held is not None
    assert held.id == taker.id


async def test_language_and_admin_follow(database: Database):
    await login(database, ADA)
    user = (await login(database, replace(ADA, language_code="ru"), is_admin=True)).user

    assert user.language_code == "ru"
    assert user.is_admin


async def test_parallel_first_logins_make_one_person(database: Database):
    results: list[LoginResult] = []

    async def one() -> None:
        results.append(await login(database, ADA))

    async with trio.open_nursery() as nursery:
        for _ in range(24):
            nursery.start_soon(one)

    assert sum(result.is_new for result in results) == 1
    assert {result.user.id for result in results} == {ADA.id}
    async with database.connection() as conn:
        assert await conn.fetch_all("SELECT count(*) FROM users") == [(1,)]


async def test_username_moves_whatever_its_case(database: Database):
    await login(database, ADA)
    taker = LoginProfile(id=UserId(2), first_name="Bob", username="ADA")

    assert (await login(database, taker)).user.username == "ADA"
    async with database.connection() as conn:
        old = await users.get_user(conn, ADA.id)
        found = await users.find_by_username(conn, "@aDa")

    assert old is not None
    assert old.username is None
    assert found is not None
    assert found.id == taker.id


async def test_people_who_swap_names_in_parallel_never_deadlock(database: Database):
    """Every round swaps two names at once; at its end each name has at most one holder."""
    names = ["north", "south"]
    for round_number in range(20):
        swapped = names if round_number % 2 == 0 else names[::-1]
        async with trio.open_nursery() as nursery:
            for user_id, name in zip((1, 2), swapped, strict=True):
                profile = LoginProfile(id=UserId(user_id), first_name="N", username=name)
                for _ in range(3):
                    nursery.start_soon(login, database, profile)
    # Whoever lost a race gets the name back with the next login.
    for user_id, name in zip((1, 2), names, strict=True):
        await login(database, LoginProfile(id=UserId(user_id), first_name="N", username=name))
    async with database.connection() as conn:
        rows = await conn.fetch_all("SELECT id, username FROM users ORDER BY id")
    assert rows == [(1, "north"), (2, "south")]


async def test_many_strangers_with_one_name_leave_one_holder(database: Database):
    async with trio.open_nursery() as nursery:
        for user_id in range(1, 13):
            profile = LoginProfile(id=UserId(user_id), first_name="X", username="same")
            nursery.start_soon(login, database, profile)
    async with database.connection() as conn:
        rows = await conn.fetch_all("SELECT count(*), count(username) FROM users")
    assert rows == [(12, 1)]


async def test_large_ids_and_hostile_names_are_just_values(database: Database):
    name = "'; DROP TABLE users; -- %s %(id)s \u202e🦊"
    profile = LoginProfile(id=UserId(2**52), first_name=name, username="a%b_c")

    assert (await login(database, profile)).user.first_name == name
    async with database.connection() as conn:
        assert await users.find_by_username(conn, "a_b_c") is None


@pytest.mark.parametrize("name", ["nul\0", "lone \ud800 surrogate"])
async def test_unstorable_names_are_invalid_data(database: Database, name: str):
    with pytest.raises(InvalidData):
        await login(database, LoginProfile(id=UserId(1), first_name=name))


async def test_pages_of_everybody(database: Database):
    for user_id in range(1, 8):
        await login(database, LoginProfile(id=UserId(user_id), first_name=f"u{user_id}"))
    async with database.connection() as conn:
        first = await users.list_users(conn, 1, 3)
        last = await users.list_users(conn, 3, 3)
        beyond = await users.list_users(conn, 9, 3)

    assert [user.id for user in first.users] == [1, 2, 3]
    assert (first.total, first.has_next, first.has_prev) == (7, True, False)
    assert [user.id for user in last.users] == [7]
    assert (last.has_next, last.has_prev) == (False, True)
    assert (beyond.users, beyond.total) == ((), 7)


async def test_admin_flag_bio_and_privacy(database: Database):
    await login(database, ADA)
    async with database.connection() as conn:
        promoted = await users.set_admin(conn, ADA.id, is_admin=True)
        told = await users.update_bio(conn, ADA.id, "first programmer")
        assert await users.get_privacy(conn, ADA.id) == {}
        await users.update_privacy(conn, ADA.id, {"last_seen": "nobody"})
        assert await users.get_privacy(conn, ADA.id) == {"last_seen": "nobody"}
        assert await users.set_admin(conn, UserId(404), is_admin=True) is None
        assert await users.get_privacy(conn, UserId(404)) is None

    assert promoted is not None
    assert promoted.is_admin
    assert told is not None
    assert told.bio == "first programmer"


async def test_last_seen_of_many_at_once(database: Database):
    for user_id in (1, 2, 3):
        await login(database, LoginProfile(id=UserId(user_id), first_name="u"))
    async with trio.open_nursery() as nursery:
        for order in ([1, 2, 3], [3, 2, 1], [2, 3, 1]):
            nursery.start_soon(touch, database, [UserId(user_id) for user_id in order])
    async with database.connection() as conn:
        assert await conn.fetch_all("SELECT count(last_seen_at) FROM users") == [(3,)]
        await presence.touch_last_seen(conn, [])
        found = await users.get_users(conn, [UserId(3), UserId(9), UserId(1)])
    assert [user.id for user in found] == [1, 3]


async def touch(database: Database, user_ids: list[UserId]) -> None:
    async with database.connection() as conn:
        await presence.touch_last_seen(conn, user_ids)


async def test_an_unchanged_login_is_one_query(database: Database):
    await login(database, ADA)
    before = database.statistics()
    await login(database, ADA)
    after = database.statistics()
    assert after.queries - before.queries == 1
    assert after.round_trips - before.round_trips == 1
