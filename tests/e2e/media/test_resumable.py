"""Resumable uploads (tus 1.0) over a real port, interrupted and resumed."""

import base64
import hashlib
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from storage import uploads as upload_rows
from tests.e2e.media.uploading import fetch
from tests.helpers.clients import DEADLINE_SECONDS, Rest, Server, ok
from tests.helpers.files import picture

ANNA, BORIS = 2201, 2202
UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}


def encoded(**metadata: str) -> str:
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items()
    )


async def create(person: Rest, size: int, **metadata: str) -> str:
    response = await person.request(
        "POST",
        UPLOADS,
        headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": encoded(**metadata)},
    )
    assert response.status_code == 201, response.text
    return httpx.URL(response.headers["Location"]).path


def _told(response: httpx.Response) -> tuple[str, int]:
    """The code, and the status that the body speaks of."""
    body = response.json()
    return body["code"], body["status_code"]


async def patch(
    person: Rest, path: str, offset: int, piece: bytes, **headers: str
) -> httpx.Response:
    return await person.request(
        "PATCH",
        path,
        content=piece,
        headers={
            **TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            **headers,
        },
    )


async def offset(person: Rest, path: str) -> int:
    response = await person.request("HEAD", path, headers=TUS)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    return int(response.headers["Upload-Offset"])


async def test_pieces_become_the_same_media_as_a_form(server: Server) -> None:
    content = picture("PNG")
    async with server.person(ANNA) as anna:
        path = await create(anna, len(content), filename="Bild ä.png")
        first = await patch(anna, path, 0, content[:1000])
        assert await offset(anna, path) == 1000
        unfinished = await anna.request("GET", path)
        last = await patch(anna, path, 1000, content[1000:])
        media: dict[str, Any] = await anna.get(path)
        chat_id = await anna.create_group()
        message = await anna.send(chat_id, "", media_id=media["media_id"])
        downloaded = await fetch(message["media_url"])

    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "1000")
    assert "Upload-Media-Id" not in first.headers
    assert unfinished.status_code == 404
    assert last.headers["Upload-Media-Id"] == media["media_id"]
    assert (media["message_type"], media["filename"]) == ("photo", "Bild ä.png")
    assert downloaded.content == content


async def test_a_voice_is_said_to_be_one(server: Server) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 10, kind="voice")
        await patch(anna, path, 0, b"not sound!")
        media = await anna.get(path)

    # Only of formats that voices are recorded in.
    assert media["message_type"] == "document"


async def test_what_is_spoken_here_is_told(server: Server) -> None:
    async with server.person(ANNA) as anna:
        response = await anna.http.request("OPTIONS", UPLOADS)

    assert response.headers["Tus-Version"] == "1.0.0"
    assert set(response.headers["Tus-Extension"].split(",")) == {
        "creation",
        "termination",
        "checksum",
        "expiration",
    }
    assert response.headers["Tus-Max-Size"] == str(50 * 1024 * 1024)
    assert response.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"


async def test_another_version_is_refused(server: Server) -> None:
    async with server.person(ANNA) as anna:
        response = await anna.request(
            "POST", UPLOADS, headers={"Tus-Resumable": "0.2.2", "Upload-Length": "5"}
        )

    assert (response.status_code, response.headers["Tus-Version"]) == (412, "1.0.0")
    assert _told(response) == ("unsupported_version", 412)


async def test_a_piece_for_another_place_is_refused(server: Server) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 100)
        await patch(anna, path, 0, bytes(10))
        responses = [await patch(anna, path, place, bytes(5)) for place in (0, 5, 11, 100)]
        type_refused = await patch(anna, path, 10, b"x", **{"Content-Type": "text/plain"})
        too_much = await patch(anna, path, 10, bytes(91))

        assert [response.status_code for response in responses] == [409] * 4
        assert responses[0].headers["Upload-Offset"] == "10"
        assert type_refused.status_code == 415
        assert _told(type_refused) == ("unsupported_media_type", 415)
        assert too_much.status_code == 413
        assert await offset(anna, path) == 10


async def test_checksums_are_checked(server: Server) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 20)
        right = base64.b64encode(hashlib.sha1(b"0123456789").digest()).decode()
        damaged = await patch(anna, path, 0, b"01234x6789", **{"Upload-Checksum": f"sha1 {right}"})
        assert await offset(anna, path) == 0
        good = await patch(anna, path, 0, b"0123456789", **{"Upload-Checksum": f"sha1 {right}"})
        unknown = await patch(anna, path, 10, b"x", **{"Upload-Checksum": "md99 AAAA"})
        again = base64.b64encode(hashlib.sha256(b"9876543210").digest()).decode()
        await patch(anna, path, 10, b"9876543210", **{"Upload-Checksum": f"sha256 {again}"})
        media = await anna.get(path)
        downloaded = await fetch(media["media_url"])

    assert (damaged.status_code, good.status_code, unknown.status_code) == (460, 204, 422)
    assert _told(damaged) == ("checksum_mismatch", 460)
    assert downloaded.content == b"01234567899876543210"


async def test_giving_up_removes_what_came(server: Server, services: Services) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 100)
        await patch(anna, path, 0, bytes(10))
        gone = await anna.request("DELETE", path, headers=TUS)
        after = await anna.request("HEAD", path, headers=TUS)

    assert (gone.status_code, after.status_code) == (204, 404)
    directory = trio.Path(services.media.staging.directory)
    assert [entry.name for entry in await directory.iterdir()] == []


async def test_clients_that_can_only_post(server: Server) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 5)
        response = await anna.request(
            "POST",
            path,
            content=b"hello",
            headers={
                **TUS,
                "X-HTTP-Method-Override": "PATCH",
                "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream",
            },
        )

    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "5")


async def test_an_upload_is_its_owners(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        path = await create(anna, 100)
        looked = await boris.request("HEAD", path, headers=TUS)
        written = await patch(boris, path, 0, b"x")
        deleted = await boris.request("DELETE", path, headers=TUS)
        nobody = await anna.http.request("HEAD", path, headers=TUS)

    assert (looked.status_code, written.status_code, deleted.status_code) == (404, 404, 404)
    assert nobody.status_code == 401


@pytest.mark.parametrize("size", ["0", "-1", "x", "", "9" * 30])
async def test_sizes_that_are_none(server: Server, size: str) -> None:
    async with server.person(ANNA) as anna:
        response = await anna.request("POST", UPLOADS, headers={**TUS, "Upload-Length": size})
        too_large = await anna.request(
            "POST", UPLOADS, headers={**TUS, "Upload-Length": str(51 * 1024 * 1024)}
        )

    assert response.status_code == 422
    assert too_large.status_code == 413


async def test_unfinished_uploads_of_one_person_are_bounded(
    server: Server, services: Services
) -> None:
    limit = services.media.limits.unfinished_uploads_per_user
    async with server.person(ANNA) as anna:
        for _ in range(limit):
            await create(anna, 5)
        response = await anna.request("POST", UPLOADS, headers={**TUS, "Upload-Length": "5"})

    assert response.status_code == 429


async def test_expired_uploads_are_removed(server: Server, services: Services) -> None:
    async with server.person(ANNA) as anna:
        path = await create(anna, 100)
        await patch(anna, path, 0, bytes(10))
        async with services.database.connection() as conn:
            await conn.execute("UPDATE uploads SET expires_at = now() - interval '1 second'")
        response = await anna.request("HEAD", path, headers=TUS)
        await services.media.janitor.sweep_page()

    assert response.status_code == 404
    directory = trio.Path(services.media.staging.directory)
    assert [entry.name for entry in await directory.iterdir()] == []


async def test_it_resumes_at_any_byte_after_a_restart(settings: Settings) -> None:
    """The connection breaks in the middle of a piece, then the server stops, then goes on."""
    content = bytes(range(256)) * 2000
    cut = 123_457
    async with running(settings) as server, server.person(ANNA) as anna:
        path = await create(anna, len(content))
        await break_off(server, anna, path, content, cut)
        await wait_for_offset(anna, path, cut)

    async with running(settings) as server, server.person(ANNA) as anna:
        assert await offset(anna, path) == cut
        last = await patch(anna, path, cut, content[cut:])
        media = ok(await anna.request("GET", path))
        downloaded = await fetch(media["media_url"])

    assert last.headers["Upload-Media-Id"] == media["media_id"]
    assert downloaded.content == content


async def test_what_was_not_confirmed_is_overwritten(server: Server, services: Services) -> None:
    """As after a crash: the file is longer than what the database knows."""
    content = b"A" * 1000 + b"B" * 1000
    async with server.person(ANNA) as anna:
        path = await create(anna, len(content))
        await patch(anna, path, 0, content[:1000])
        upload_id = path.rpartition("/")[2]
        await services.media.staging.append(upload_id, 1000, [b"garbage"])
        await patch(anna, path, 1000, content[1000:])
        media = await anna.get(path)
        downloaded = await fetch(media["media_url"])

    assert downloaded.content == content


async def test_a_last_answer_that_got_lost_can_be_asked_for(
    server: Server, services: Services
) -> None:
    """All bytes came, and the server stopped before it made a file of them."""
    async with server.person(ANNA) as anna:
        path = await create(anna, 5)
        upload_id = path.rpartition("/")[2]
        await services.media.staging.append(upload_id, 0, [b"hello"])
        async with services.database.connection() as conn:
            await upload_rows.advance(conn, upload_id, 0, 5, services.media.limits.upload_lifetime)
        assert await offset(anna, path) == 5
        media = await anna.get(path)
        again = await anna.get(path)
        downloaded = await fetch(media["media_url"])

    assert again["media_id"] == media["media_id"]
    assert downloaded.content == b"hello"


class running:  # noqa: N801 - reads as a word in a with statement
    """A node on the settings' database and directory, from start to orderly stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Server:
        self._services = open_services(self._settings)
        services = await self._services.__aenter__()
        self._stop = trio.Event()
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        listening = await self._nursery.start(serve_node, services, self._stop)
        return Server(listening.url)

    async def __aexit__(self, *error: object) -> None:
        self._stop.set()
        await self._nursery_manager.__aexit__(None, None, None)
        await self._services.__aexit__(None, None, None)


async def break_off(server: Server, anna: Rest, path: str, content: bytes, cut: int) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2]))
    await stream.send_all(
        f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
        f"X-Telegram-Init-Data: {anna.headers['X-Telegram-Init-Data']}\r\n"
        "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
        + content[:cut]
    )
    await stream.aclose()


async def wait_for_offset(anna: Rest, path: str, wanted: int) -> None:
    with trio.fail_after(DEADLINE_SECONDS):
        while await offset(anna, path) != wanted:
            await trio.testing.wait_all_tasks_blocked(0.01)
