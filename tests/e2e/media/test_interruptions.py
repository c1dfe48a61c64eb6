"""Uploads when processes die and meet: SIGKILL in the middle, two nodes, a quota for two."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from aeon.config import Settings
from aeon.main import open_services, serve_node
from tests.e2e.media.test_resumable import (
    TUS,
    UPLOADS,
    create,
    offset,
    patch,
    wait_for_offset,
)
from tests.e2e.media.uploading import fetch, try_upload
from tests.helpers.clients import DEADLINE_SECONDS, Rest, Server, ok
from tests.helpers.node_process import serving

ANNA = 2301
SAFE_BYTES = 4 * 1024 * 1024


@asynccontextmanager
async def half_a_piece(
    server: Server, anna: Rest, path: str, content: bytes, cut: int
) -> AsyncIterator[trio.SocketStream]:
    """A PATCH of all of it that has got so far, on a connection that stays open."""
    async with await trio.open_tcp_stream(server.host, server.port) as stream:
        await stream.send_all(
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
            f"X-Telegram-Init-Data: {anna.headers['X-Telegram-Init-Data']}\r\n"
            "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
            + content[:cut]
        )
        yield stream


async def wait_past(anna: Rest, path: str, wanted: int) -> int:
    """Wait until so much is confirmed; the server does it every few megabytes."""
    with trio.fail_after(DEADLINE_SECONDS):
        while (place := await offset(anna, path)) < wanted:
            await trio.testing.wait_all_tasks_blocked(0.01)
    return place


async def test_sigkill_in_the_middle_of_a_piece(database_url: str, tmp_path: Path) -> None:
    """What was confirmed before is there after; the rest is sent again and passes its checksum."""
    content = os.urandom(3 * SAFE_BYTES)
    # Each of the two confirmations may wait for a full buffer behind its mark.
    cut = 2 * SAFE_BYTES + 1_000_000
    with serving(database_url, tmp_path) as (server, process):
        async with server.person(ANNA) as anna:
            path = await create(anna, len(content), filename="film.bin")
            async with half_a_piece(server, anna, path, content, cut):
                confirmed = await wait_past(anna, path, 2 * SAFE_BYTES)
                os.kill(process.pid, signal.SIGKILL)
                process.wait(timeout=10)

    partial = tmp_path / "uploads" / "incoming" / f"{path.rpartition('/')[2]}.partial"
    assert partial.stat().st_size >= confirmed

    with serving(database_url, tmp_path) as (server, _):
        async with server.person(ANNA) as anna:
            place = await offset(anna, path)
            rest = content[place:]
            digest = base64.b64encode(hashlib.sha256(rest).digest()).decode()
            damaged = await patch(
                anna, path, place, b"?" + rest[1:], **{"Upload-Checksum": f"sha256 {digest}"}
            )
            last = await patch(anna, path, place, rest, **{"Upload-Checksum": f"sha256 {digest}"})
            media = ok(await anna.request("GET", path))
            again = await anna.request("HEAD", path, headers=TUS)
            downloaded = await fetch(media["media_url"])

    assert place == confirmed
    assert damaged.status_code == 460
    assert last.headers["Upload-Media-Id"] == media["media_id"]
    assert again.headers["Upload-Media-Id"] == media["media_id"]
    assert media["filename"] == "film.bin"
    assert downloaded.content == content


@asynccontextmanager
async def two_nodes(settings: Settings) -> AsyncIterator[list[Server]]:
    """Two nodes over one database and one directory."""
    stop = trio.Event()
    async with (
        open_services(settings) as one,
        open_services(settings) as other,
        trio.open_nursery() as nursery,
    ):
        yield [
            Server((await nursery.start(serve_node, services, stop)).url)
            for services in (one, other)
        ]
        stop.set()


async def test_two_nodes_do_not_write_to_one_upload(settings: Settings) -> None:
    """A client that gave its connection up comes back through another node."""
    content = os.urandom(SAFE_BYTES + 500_000)
    async with (
        two_nodes(settings) as (first, second),
        first.person(ANNA) as anna,
        second.person(ANNA) as again,
    ):
        path = await create(anna, len(content))
        async with half_a_piece(first, anna, path, content, SAFE_BYTES + 300_000):
            place = await wait_past(again, path, SAFE_BYTES)
            refused = await patch(again, path, place, content[place:])
            removed = await again.request("DELETE", path, headers=TUS)
        # The connection is closed: its node keeps what came, and lets go of the upload.
        place = SAFE_BYTES + 300_000
        await wait_for_offset(again, path, place)
        with trio.fail_after(DEADLINE_SECONDS):
            while True:
                done = await patch(again, path, place, content[place:])
                if done.status_code != 423:
                    break
        media = ok(await again.request("GET", path))
        downloaded = await fetch(media["media_url"])

    assert (refused.status_code, refused.json()["code"]) == (423, "upload_locked")
    assert removed.status_code == 423
    assert done.status_code == 204
    assert downloaded.content == content


@pytest.mark.parametrize("ways", ["forms", "announced"])
async def test_parallel_uploads_do_not_pass_the_quota(settings: Settings, ways: str) -> None:
    """Room for three of eight that come at once, through two nodes."""
    size = 100_000
    small = settings.model_copy(update={"media_user_quota": 3 * size + 10_000})
    answers: list[int] = []
    async with (
        two_nodes(small) as (first, second),
        first.person(ANNA) as one,
        second.person(ANNA) as other,
    ):

        async def send(person: Rest, number: int) -> None:
            if ways == "forms":
                answer = await try_upload(person, bytes([number]) * size)
            else:
                headers = {**TUS, "Upload-Length": str(size)}
                answer = await person.request("POST", UPLOADS, headers=headers)
            answers.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(send, (one, other)[number % 2], number)
        good = 200 if ways == "forms" else 201
        assert sorted(answers) == [good] * 3 + [413] * 5
        late = await try_upload(one, b"x" * size)
        # Announced bytes bind other announcements, not a file that is here already.
        assert late.status_code == (413 if ways == "forms" else 200)
