"""The audit trail: never in anybody's way, bounded, and complete once the database is back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from aeon.admin import trail as trail_module
from aeon.admin.rates import RateMeter
from aeon.admin.stream import Streams
from aeon.admin.trail import AuditTrail, Use, printable
from aeon.errors import EdgeError
from storage import audit
from storage.audit import NewAuditEntry
from storage.errors import CommitUnknown, InvalidData, StorageError, Unavailable


class FakeDatabase:
    """Keeps entries, or fails as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[str] = []
        self.batches: list[int] = []
        self.trims = 0
        self.failure: StorageError | None = None
        monkeypatch.setattr(audit, "append_entries", self._append)
        monkeypatch.setattr(audit, "delete_old", self._delete_old)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        yield None

    async def _append(self, _conn: object, entries: Sequence[NewAuditEntry]) -> None:
        self.entries += [entry.action for entry in entries]
        self.batches.append(len(entries))

    async def _delete_old(self, _conn: object, **_: object) -> int:
        self.trims += 1
        return 0


def use(action: str) -> Use:
    return Use(datetime.now(UTC), "token", None, action, None, "ok", "r1")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    return FakeDatabase(monkeypatch)


def new_trail(database: Any) -> AuditTrail:
    return AuditTrail(database, kept_days=90)


async def test_what_gathers_is_stored_together_in_order(
    database: FakeDatabase, autojump_clock: MockClock
) -> None:
    trail = new_trail(database)
    async with trio.open_nursery() as nursery:
        await nursery.start(trail.run)
        with assert_no_checkpoints():
            for number in range(3):
                trail.note(use(str(number)))
        assert await trail.flush(5)
        await trail.aclose()
    assert (database.entries, database.batches) == (["0", "1", "2"], [3])
    assert [one.action for one in trail.recent()] == ["2", "1", "0"]
    assert database.trims == 1


@pytest.mark.parametrize("failure", [Unavailable("away"), CommitUnknown("perhaps")])
async def test_it_waits_for_the_database(
    failure: StorageError, database: FakeDatabase, autojump_clock: MockClock
) -> None:
    """Faults: what waits is lost or turned around; the service crashes; flush never ends."""
    trail = new_trail(database)
    database.failure = failure
    async with trio.open_nursery() as nursery:
        await nursery.start(trail.run)
        for number in range(3):
            trail.note(use(str(number)))
            await trio.sleep(20)
        assert not await trail.flush(1)
        found = trail.statistics()
        assert (found.waiting, found.stored, found.lost) == (3, 0, 0)
        assert 3 <= found.failures <= 8
        database.failure = None
        assert await trail.flush(60)
        await trail.aclose()
    assert database.entries == ["0", "1", "2"]


async def test_what_the_database_refuses_is_lost_and_counted(
    database: FakeDatabase, autojump_clock: MockClock
) -> None:
    """Fault: a batch that is refused is tried for ever, and holds up the rest."""
    trail = new_trail(database)
    database.failure = InvalidData("NUL")
    async with trio.open_nursery() as nursery:
        await nursery.start(trail.run)
        trail.note(use("bad"))
        assert await trail.flush(5)
        database.failure = None
        trail.note(use("good"))
        await trail.aclose()
    assert database.entries == ["good"]
    assert trail.statistics().lost == 1


async def test_it_is_bounded(
    database: FakeDatabase, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_module, "MAX_WAITING", 10)
    trail = new_trail(database)
    database.failure = Unavailable("away")
    async with trio.open_nursery() as nursery:
        await nursery.start(trail.run)
        for number in range(25):
            trail.note(use(str(number)))
        await wait_all_tasks_blocked()
        assert trail.statistics().waiting == 10
        assert trail.statistics().lost == 15
        await trail.aclose()  # with the database away it ends all the same


def test_targets_are_printable_and_short() -> None:
    assert printable("chat/7") == "chat/7"
    assert printable("chat/\x00\n\ud800é") == "chat/??\\ud800\\xe9"
    assert len(printable("x" * 5000)) == 120


def test_rates_span_at_least_a_second() -> None:
    now = 100.0
    meter = RateMeter(lambda: now)
    assert meter.read({"n": 500}, uptime_seconds=50.0) == {"n": 10.0}
    now = 100.5
    assert meter.read({"n": 600}, uptime_seconds=50.5) == {"n": 10.0}
    now = 102.0
    assert meter.read({"n": 700}, uptime_seconds=52.0) == {"n": 100.0}
    now = 104.0
    # A part that was restarted counts from zero.
    assert meter.read({"n": 5}, uptime_seconds=54.0) == {"n": 0.0}


async def test_a_late_overview_is_bridged_by_a_heartbeat(autojump_clock: MockClock) -> None:
    streams = Streams(max_streams=1)

    async def never() -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    stream = streams.open(never)
    sent = [await anext(stream) for _ in range(3)]
    assert sent == [b": still here\n\n"] * 3
    with pytest.raises(EdgeError):
        streams.open(never)
    streams.end_all()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await stream.aclose()
    assert len(streams) == 0
