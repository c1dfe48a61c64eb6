"""The depot over a real PostgreSQL and a real directory: collecting, racing, late previews."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from aeon.config import Settings
from aeon.media import depot as depot_module
from aeon.media import previews
from aeon.media.depot import Depot, open_depot
from aeon.media.errors import MediaNotFound, StoreUnavailable
from storage import media as media_rows
from storage.database import Connection, Database
from storage.ids import UserId
from storage.records import MediaRecord
from tests.helpers.files import picture
from tests.helpers.people import add_people

ANNA = UserId(1)


@pytest.fixture
async def depot(database: Database, tmp_path: Path) -> AsyncIterator[Depot]:
    await add_people(database, [ANNA])
    settings = Settings(_env_file=None, upload_dir=tmp_path, secret_key="k" * 48)
    depot = open_depot(settings, database, lambda: 1_000_000.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(depot.run)
        yield depot
        nursery.cancel_scope.cancel()


async def take_in(depot: Depot, content: bytes) -> MediaRecord:
    async with depot.staging.receive(max_bytes=10_000_000) as incoming:
        await incoming.write([content])
        staged = await incoming.complete()
        return await depot.take_in(ANNA, staged, filename=None, is_voice=False)


async def stored(depot: Depot, record: MediaRecord) -> bytes:
    found = await depot.find(record.id)
    assert found.object_key is not None
    async with depot.store.open(found.object_key) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_uploading_what_is_just_being_collected(depot: Depot) -> None:
    """Rounds of uploads and collections of one content: a row is never without its bytes."""
    content = os.urandom(5000)
    kept: list[MediaRecord] = []

    async def upload() -> None:
        kept.append(await take_in(depot, content))

    async def collect(record: MediaRecord) -> None:
        await depot.janitor.collect(record.id)

    for _ in range(15):
        old, kept = kept, []
        async with trio.open_nursery() as nursery:
            for record in old:
                nursery.start_soon(collect, record)
            for _ in range(3):
                nursery.start_soon(upload)
        for record in kept:
            assert await stored(depot, record) == content
    for record in kept:
        await depot.janitor.collect(record.id)

    assert await depot.store.keys() == []


async def test_an_album_holds_one_connection(
    depot: Depot, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of one person that are ready at once: the rest of the pool is for everybody else."""
    size = database.statistics().size
    ready = 0
    make_record, lock = depot_module._record, media_rows.lock_uploader
    has_come, may_go = trio.Event(), trio.Event()

    def noted(*args: Any) -> MediaRecord:
        nonlocal ready
        ready += 1
        if ready == size:
            has_come.set()
        return make_record(*args)

    async def locked(conn: Connection, user_id: UserId) -> None:
        await may_go.wait()
        await lock(conn, user_id)

    monkeypatch.setattr(depot_module, "_record", noted)
    monkeypatch.setattr(media_rows, "lock_uploader", locked)
    async with AsyncExitStack() as stack:
        for _ in range(size):  # So that none has to connect later.
            await stack.enter_async_context(database.connection())
    async with trio.open_nursery() as nursery:
        for number in range(size):
            nursery.start_soon(take_in, depot, b"%d" % number)
        await has_come.wait()
        await trio.testing.wait_all_tasks_blocked()
        held = database.statistics().in_use
        may_go.set()
    assert held == 1
    assert len(await depot.store.keys()) == size


async def test_strays_are_removed_and_the_rest_stays(depot: Depot, tmp_path: Path) -> None:
    record = await take_in(depot, b"kept")
    stray = await depot.staging.write_small(b"stray")
    await depot.store.put(stray.sha256, stray.path)
    await depot.janitor.sweep_page()

    assert await depot.store.size(stray.sha256) is None
    assert await stored(depot, record) == b"kept"


async def test_a_preview_that_was_never_made_is_made_when_asked_for(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depot._previews, "request", lambda *_: None)
    record = await take_in(depot, picture())
    monkeypatch.undo()
    assert record.has_thumbnail
    found = await depot.find(record.id)
    assert found.thumbnail_key is None

    key = await depot.thumbnail_key(found)
    assert (await depot.find(record.id)).thumbnail_key == key
    assert await depot.store.size(key) is not None


async def test_an_upload_does_not_wait_long_for_its_preview(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = trio.Event()
    make = previews.Previews._make

    async def slowly(self: previews.Previews, job: previews._Job) -> str | None:
        await may_go_on.wait()
        return await make(self, job)

    monkeypatch.setattr(previews.Previews, "_make", slowly)
    record = await take_in(depot, picture())
    assert record.has_thumbnail
    assert (await depot.find(record.id)).thumbnail_key is None
    may_go_on.set()
    assert await depot.thumbnail_key(await depot.find(record.id))


async def test_an_equal_picture_shares_the_preview(depot: Depot) -> None:
    first, second = await take_in(depot, picture()), await take_in(depot, picture())
    keys = {(await depot.find(record.id)).thumbnail_key for record in (first, second)}
    assert len(keys) == 1
    await depot.janitor.collect(first.id)
    (key,) = keys
    assert key is not None
    assert await depot.store.size(key) is not None
    await depot.janitor.collect(second.id)
    assert await depot.store.keys() == []
    with pytest.raises(MediaNotFound):
        await depot.find(second.id)


async def test_what_a_store_that_was_away_kept_is_collected_later(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last reference goes while nobody can delete it; the depot goes on, and comes back."""
    record = await take_in(depot, b"deleted while away")
    found = await depot.find(record.id)
    assert found.object_key is not None
    failed = trio.Event()

    async def fail(key: str) -> bool:
        failed.set()
        raise StoreUnavailable

    with monkeypatch.context() as away:
        away.setattr(depot.store, "delete", fail)
        depot.release(record.id)
        with trio.fail_after(5):
            await failed.wait()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert await depot.store.size(found.object_key) is not None
    kept = await take_in(depot, b"still taken in")

    await depot.janitor.sweep_page()

    assert await depot.store.size(found.object_key) is None
    assert await stored(depot, kept) == b"still taken in"
