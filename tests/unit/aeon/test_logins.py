"""The short memory of who logged in."""

from dataclasses import replace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aeon.logins import Login, Logins
from storage.ids import UserId
from tests.helpers import records


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


LOGIN = Login(records.user(7), expires_at=1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_login_is_trusted_for_a_while(clock: Clock) -> None:
    logins = Logins(kept_seconds=10, clock=clock)
    key = logins.key("init data")
    assert logins.get(key) is None
    logins.note(key, LOGIN)
    clock.now = 10.0
    assert logins.get(key) is LOGIN
    clock.now = 10.1
    assert logins.get(key) is None
    assert len(logins) == 0


def test_a_person_is_forgotten_with_all_their_credentials(clock: Clock) -> None:
    logins = Logins(clock=clock)
    other = replace(LOGIN, user=records.user(8))
    for name, login in (("a", LOGIN), ("b", LOGIN), ("c", other)):
        logins.note(logins.key(name), login)
    logins.forget(UserId(7))
    logins.forget(UserId(99))
    assert [logins.get(logins.key(name)) for name in "abc"] == [None, None, other]


def test_what_was_read_before_a_person_was_forgotten_is_not_kept(clock: Clock) -> None:
    logins = Logins(clock=clock)
    key, since = logins.key("token"), logins.moment()
    logins.forget(UserId(8))
    logins.note(key, LOGIN, since=since)
    assert logins.get(key) is LOGIN

    since = logins.moment()
    logins.forget(UserId(7))
    logins.note(key, LOGIN, since=since)
    assert logins.get(key) is None
    logins.note(key, LOGIN, since=logins.moment())
    assert logins.get(key) is LOGIN


def test_long_ago_forgotten_people_do_not_pile_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aeon.logins.MAX_FORGOTTEN", 2)
    logins = Logins(clock=clock)
    key, since = logins.key("token"), logins.moment()
    for user_id in (7, 8, 9):
        logins.forget(UserId(user_id))
    logins.note(key, LOGIN, since=since)
    assert logins.get(key) is None


def test_memory_is_bounded_and_the_oldest_go_first(clock: Clock) -> None:
    logins = Logins(max_entries=3, clock=clock)
    for number in range(100):
        logins.note(logins.key(str(number)), LOGIN)
    assert len(logins) == 3
    assert logins.get(logins.key("99")) is LOGIN
    assert logins.get(logins.key("96")) is None
    logins.note(logins.key("99"), LOGIN)
    assert len(logins) == 3


def test_keys_do_not_hold_the_credentials() -> None:
    assert b"secret" not in Logins.key("secret \ud800")


async def test_one_persons_logins_take_turns() -> None:
    logins = Logins()
    order: list[str] = []

    async def log_in(name: str, user_id: int, leave: trio.Event) -> None:
        async with logins.turn(UserId(user_id)):
            order.append(name)
            await leave.wait()

    first, second = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log_in, "first", 7, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(log_in, "second", 7, second)
        await wait_all_tasks_blocked()
        nursery.start_soon(log_in, "other", 8, second)
        await wait_all_tasks_blocked()
        assert order == ["first", "other"]
        first.set()
        await wait_all_tasks_blocked()
        assert order == ["first", "other", "second"]
        second.set()
    assert logins._turns == {}
