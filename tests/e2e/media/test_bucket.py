"""Files in a bucket: the journey of a file, two nodes, and a store that refuses or goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from pydantic import SecretStr, ValidationError

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.media.errors import StorageFull, StoreRefused, StoreUnavailable
from aeon.media.s3 import _translating
from aeon.media.store import ObjectMissing
from aeon.services import Services
from tests.e2e.media.uploading import fetch, try_upload, upload
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.files import picture
from tests.helpers.swift_server import ACCESS_KEY, BUCKET, SECRET_KEY, running_swift

ANNA, BORIS = 2401, 2402


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_swift(tmp_path_factory.mktemp("swift")) as (url, _):
        yield url


@pytest.fixture
def settings(settings: Settings, swift: str) -> Settings:
    return in_bucket(settings, swift)


def in_bucket(settings: Settings, url: str, secret: str = SECRET_KEY) -> Settings:
    return settings.model_copy(
        update={
            "s3_url": url,
            "s3_bucket": BUCKET,
            "s3_access_key": SecretStr(ACCESS_KEY),
            "s3_secret_key": SecretStr(secret),
        }
    )


@asynccontextmanager
async def node(settings: Settings) -> AsyncIterator[tuple[Server, Services]]:
    stop = trio.Event()
    async with open_services(settings) as services, trio.open_nursery() as nursery:
        yield Server((await nursery.start(serve_node, services, stop)).url), services
        stop.set()


async def test_a_files_whole_life_in_a_bucket(settings: Settings, tmp_path: Path) -> None:
    """Uploaded through one node, read through another that shares no directory with it."""
    other = settings.model_copy(update={"upload_dir": tmp_path / "elsewhere"})
    content = picture("JPEG", (1600, 900))
    async with (
        node(settings) as (server, services),
        node(other) as (second, _),
        server.person(ANNA) as anna,
        second.person(BORIS, "Boris") as boris,
    ):
        chat_id = await anna.create_group(BORIS)
        media = await upload(anna, content, "photo.jpg")
        message = await anna.send(chat_id, "Look", media_id=media["media_id"])
        page = await boris.get(f"/api/v1/messages/chat/{chat_id}")
        seen = page["messages"][0]
        whole = await fetch(seen["media_url"])
        part = await fetch(seen["media_url"], Range="bytes=100-299")
        head = await fetch(seen["media_url"], "HEAD")
        preview = await fetch(seen["thumbnail_url"])
        stored = await services.media.store.keys()
        # Nothing of it stays on either node.
        for folder in (settings.upload_dir, other.upload_dir):
            assert [one for one in folder.rglob("*") if one.is_file()] == []
        await anna.delete(f"/api/v1/messages/{message['id']}")
        with trio.fail_after(DEADLINE_SECONDS):
            while await services.media.store.keys():
                await trio.testing.wait_all_tasks_blocked(0.01)
        gone = await fetch(seen["media_url"])

    assert media["message_type"] == "photo"
    assert whole.content == content
    assert (part.status_code, part.content) == (206, content[100:300])
    assert head.headers["Content-Length"] == str(len(content))
    assert (preview.status_code, preview.headers["Content-Type"]) == (200, "image/webp")
    assert len(stored) == 2
    assert gone.status_code == 404


async def test_a_large_file_goes_up_in_parts_of_bounded_memory(
    settings: Settings, tmp_path: Path
) -> None:
    """Python's side of it; the client's own buffers are parts of 5 MiB, two at a time."""
    size = 30 * 1024 * 1024
    async with node(settings) as (server, services), server.person(ANNA) as anna:
        tracemalloc.start()
        try:
            source = tmp_path / "large"
            source.write_bytes(os.urandom(1024) * (size // 1024))
            tracemalloc.reset_peak()
            await services.media.store.put("a" * 64, source)
            read = 0
            async with services.media.store.open("a" * 64) as chunks:
                async for chunk in chunks:
                    read += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert await services.media.store.delete("a" * 64)
        assert (await anna.request("GET", "/api/v1/me")).status_code == 200
    assert read == size
    assert peak < 8 * 1024 * 1024


async def test_a_store_that_goes_away_and_returns(settings: Settings, tmp_path: Path) -> None:
    """503 and nothing kept while it is away; afterwards all is as before."""
    with running_swift(tmp_path / "swift") as (url, process):
        port = int(url.rpartition(":")[2])
        async with node(in_bucket(settings, url)) as (server, services), server.person(ANNA) as one:
            kept = await upload(one, b"kept before", "a.txt")
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=10)
            refused = await try_upload(one, b"while it is away", "b.txt")
            unread = await fetch(kept["media_url"])
            assert (await one.request("GET", "/api/v1/me")).status_code == 200
            with running_swift(tmp_path / "swift", port):
                read = await fetch(kept["media_url"])
                again = await upload(one, b"while it is away", "b.txt")
                downloaded = await fetch(again["media_url"])
                keys = await services.media.store.keys()

    for answer in (refused, unread):
        assert (answer.status_code, answer.json()["code"]) == (503, "files_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert url not in answer.text
    assert read.content == b"kept before"
    assert downloaded.content == b"while it is away"
    assert len(keys) == 2


async def test_what_is_refused_is_said_at_the_start(settings: Settings, swift: str) -> None:
    async def start(changed: Settings) -> None:
        async with open_services(changed):
            pass

    with pytest.raises(StoreRefused, match="S3_ACCESS_KEY and S3_SECRET_KEY"):
        await start(in_bucket(settings, swift, "wrong"))
    with pytest.raises(StoreRefused, match="no bucket elsewhere"):
        await start(settings.model_copy(update={"s3_bucket": "elsewhere"}))
    with pytest.raises(StoreRefused, match="needs S3_ACCESS_KEY"):
        await start(settings.model_copy(update={"s3_secret_key": None}))


async def test_a_store_that_is_away_at_the_start_hinders_nobody(settings: Settings) -> None:
    away = in_bucket(settings, "http://127.0.0.1:1")
    async with node(away) as (server, _), server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        assert (await anna.send(chat_id, "Words still go"))["text"] == "Words still go"


def test_the_command_line_says_what_to_change(tmp_path: Path, swift: str) -> None:
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "UPLOAD_DIR": str(tmp_path / "uploads"),
        "S3_BUCKET": "nowhere",
        "S3_URL": swift,
        "S3_ACCESS_KEY": ACCESS_KEY,
        "S3_SECRET_KEY": SECRET_KEY,
    }
    done = subprocess.run(
        [sys.executable, "-m", "aeon", "serve", "--port", "0"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "There is no bucket nowhere (S3_BUCKET)." in done.stderr
    assert SECRET_KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ("Server returned non-2xx status code: 507 Insufficient Storage", StorageFull),
        ("403 Forbidden: <Code>QuotaExceeded</Code>", StorageFull),
        ("HTTP error: error sending request", StoreUnavailable),
        ("Server returned non-2xx status code: 500", StoreUnavailable),
    ],
)
def test_answers_of_a_store_that_has_no_room(said: str, raised: type[Exception]) -> None:
    from obstore.exceptions import GenericError

    with pytest.raises(raised), _translating():
        raise GenericError(said)
    with pytest.raises(ObjectMissing), _translating("key"):
        raise FileNotFoundError


@pytest.mark.parametrize("url", ["not an address", "s3.example.org", "ftp://x", "https://u:p@h"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValidationError, match="scheme and host"):
        Settings(_env_file=None, s3_url=url)
