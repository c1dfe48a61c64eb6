"""Ranges, conditions and methods of a download."""

import os

import pytest

from tests.e2e.media.uploading import fetch, upload
from tests.helpers.clients import Server
from tests.helpers.files import made_by_ffmpeg, picture

ANNA = 2401
CONTENT = os.urandom(700_000)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 700_000),
        ("bytes=-10", 699_990, 700_000),
        ("bytes=262143-524289", 262_143, 524_290),
        ("bytes=699999-999999", 699_999, 700_000),
    ],
)
async def test_ranges(server: Server, wanted: str, start: int, stop: int) -> None:
    async with server.person(ANNA) as anna:
        url = (await upload(anna, CONTENT))["media_url"]
        response = await fetch(url, Range=wanted)

    assert response.status_code == 206
    assert response.content == CONTENT[start:stop]
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/700000"
    assert response.headers["Content-Length"] == str(stop - start)


async def test_ranges_that_are_none(server: Server) -> None:
    async with server.person(ANNA) as anna:
        url = (await upload(anna, CONTENT))["media_url"]
        behind = await fetch(url, Range="bytes=700000-")
        several = await fetch(url, Range="bytes=0-1,5-6")
        nonsense = await fetch(url, Range="bytes=x")

    assert (behind.status_code, behind.headers["Content-Range"]) == (416, "bytes */700000")
    assert behind.json()["code"] == "range_not_satisfiable"
    assert behind.headers["Access-Control-Allow-Origin"] == "*"
    assert [(one.status_code, one.content == CONTENT) for one in (several, nonsense)] == [
        (200, True),
        (200, True),
    ]


async def test_conditions(server: Server) -> None:
    async with server.person(ANNA) as anna:
        url = (await upload(anna, CONTENT))["media_url"]
        first = await fetch(url)
        etag = first.headers["ETag"]
        same = await fetch(url, **{"If-None-Match": f'"other", {etag}'})
        other = await fetch(url, **{"If-None-Match": f'"other", "{etag[1:5]}"'})
        any_version = await fetch(url, **{"If-None-Match": "*"})
        part = await fetch(url, **{"Range": "bytes=0-4", "If-Range": etag})
        changed = await fetch(url, **{"Range": "bytes=0-4", "If-Range": '"old"'})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert other.status_code == 200
    assert any_version.status_code == 304
    assert (part.status_code, part.content) == (206, CONTENT[:5])
    assert (changed.status_code, changed.content == CONTENT) == (200, True)


async def test_head_is_get_without_the_bytes(server: Server) -> None:
    async with server.person(ANNA) as anna:
        url = (await upload(anna, CONTENT))["media_url"]
        got, head = await fetch(url), await fetch(url, "HEAD")

    assert head.status_code == 200
    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Content-Disposition"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("wanted", ["bytes=0-1", "bytes=999999999-"])
async def test_ranges_are_of_get_only(server: Server, wanted: str) -> None:
    async with server.person(ANNA) as anna:
        url = (await upload(anna, CONTENT))["media_url"]
        head = await fetch(url, "HEAD", Range=wanted)

    assert (head.status_code, head.headers["Content-Length"]) == (200, "700000")
    assert "Content-Range" not in head.headers


async def test_links_are_cached_no_longer_than_they_live(server: Server) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, picture())
        response = await fetch(file["media_url"], Origin="https://elsewhere.example")

    private, max_age, immutable = response.headers["Cache-Control"].split(", ")
    assert (private, immutable) == ("private", "immutable")
    assert 6 * 3600 <= int(max_age.removeprefix("max-age=")) <= 12 * 3600
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_players_seek_in_a_film(server: Server) -> None:
    content = made_by_ffmpeg("film.mp4")
    async with server.person(ANNA) as anna:
        url = (await upload(anna, content))["media_url"]
        head = await fetch(url, Range="bytes=0-1")
        tail = await fetch(url, Range=f"bytes={len(content) - 100}-")

    assert (head.content, tail.content) == (content[:2], content[-100:])
