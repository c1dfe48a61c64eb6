"""What every object store promises. A new implementation joins ``STORES``."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from aeon.media.s3 import Bucket, S3Store
from aeon.media.store import LocalStore, ObjectMissing, ObjectStore
from tests.helpers.swift_server import ACCESS_KEY, BUCKET, SECRET_KEY, running_swift

STORES = ("local", "s3")


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_swift(tmp_path_factory.mktemp("swift")) as (url, _):
        yield url


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "objects")
    bucket = Bucket(
        BUCKET, ACCESS_KEY, SECRET_KEY, url=request.getfixturevalue("swift"), retry_seconds=1.0
    )
    found = S3Store(bucket, tmp_path / "scratch")
    # One bucket for all tests: each finds it empty.
    for key in await found.keys():
        await found.delete(key)
    return found


@pytest.fixture(autouse=True)
def _server_first(request: pytest.FixtureRequest) -> None:
    """Start the server outside Trio."""
    if "s3" in request.node.name:
        request.getfixturevalue("swift")


class Source:
    """Makes files as the staging area would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def file(self, content: bytes) -> tuple[str, Path]:
        self.count += 1
        path = self.folder / f"incoming-{self.count}"
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest(), path


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


async def read(store: ObjectStore, key: str, start: int = 0, stop: int | None = None) -> bytes:
    async with store.open(key, start, stop) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [1, 255, 256 * 1024, 256 * 1024 + 1, 1_500_000])
async def test_what_was_put_is_read(store: ObjectStore, source: Source, size: int) -> None:
    content = os.urandom(size)
    key, path = source.file(content)
    await store.put(key, path)

    assert await read(store, key) == content
    assert await store.size(key) == size


async def test_parts_are_read(store: ObjectStore, source: Source) -> None:
    content = os.urandom(600_000)
    key, path = source.file(content)
    await store.put(key, path)

    for start, stop in [(0, 1), (5, 5), (262_143, 262_146), (599_999, 600_000), (100, 500_000)]:
        assert await read(store, key, start, stop) == content[start:stop]
    assert await read(store, key, 599_990) == content[-10:]


async def test_putting_it_again_changes_nothing(store: ObjectStore, source: Source) -> None:
    key, first = source.file(b"content")
    _, second = source.file(b"content")
    await store.put(key, first)
    await store.put(key, second)

    assert await read(store, key) == b"content"
    assert await store.keys() == [key]


async def test_ten_put_the_same_at_once(store: ObjectStore, source: Source) -> None:
    files = [source.file(b"same" * 50_000) for _ in range(10)]
    async with trio.open_nursery() as nursery:
        for key, path in files:
            nursery.start_soon(store.put, key, path)

    assert await store.keys() == [files[0][0]]
    assert await read(store, files[0][0]) == b"same" * 50_000


async def test_what_is_not_there(store: ObjectStore) -> None:
    key = "0" * 64
    assert await store.size(key) is None
    assert await store.delete(key) is False
    with pytest.raises(ObjectMissing):
        await read(store, key)
    with pytest.raises(ObjectMissing):
        async with store.as_file(key):
            pass


async def test_deletion(store: ObjectStore, source: Source) -> None:
    key, path = source.file(b"content")
    await store.put(key, path)

    assert await store.delete(key) is True
    assert await store.size(key) is None
    assert await store.keys() == []


async def test_a_reader_under_way_may_finish(store: ObjectStore, source: Source) -> None:
    content = os.urandom(1_000_000)
    key, path = source.file(content)
    await store.put(key, path)
    async with store.open(key) as chunks:
        first = await anext(chunks)
        await store.delete(key)
        rest = [chunk async for chunk in chunks]

    assert b"".join([first, *rest]) == content


async def test_as_a_file(store: ObjectStore, source: Source) -> None:
    key, path = source.file(b"content")
    await store.put(key, path)
    async with store.as_file(key) as local:
        assert await trio.Path(local).read_bytes() == b"content"


async def test_keys_come_in_pages_and_in_order(store: ObjectStore, source: Source) -> None:
    expected = []
    for number in range(25):
        key, path = source.file(b"%d" % number)
        await store.put(key, path)
        expected.append(key)
    expected.sort()
    found: list[str] = []
    while page := await store.keys(found[-1] if found else "", limit=10):
        found += page

    assert found == expected


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "/"]
)
async def test_keys_are_hashes_and_nothing_else(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        await store.size(key)
