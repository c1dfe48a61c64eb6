"""What a stranger, a broken client or a full disk may send: a clear answer, nothing kept."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing

from aeon.config import Settings
from aeon.services import Services
from tests.e2e.media.uploading import UPLOAD, fetch, try_upload, upload
from tests.helpers.clients import DEADLINE_SECONDS, Rest, Server
from tests.helpers.files import picture, png_bomb

ANNA, BORIS = 2101, 2102
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
PDF = b"%PDF-1.4\n1 0 obj\n<< /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\n%%EOF"
ZIP_END = b"PK\x05\x06" + bytes(18)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_file_size": 1024 * 1024})


async def staged(services: Services) -> list[str]:
    """Files left in the staging area."""
    directory = trio.Path(services.media.staging.directory)
    if not await directory.exists():
        return []
    return [path.name for path in await directory.iterdir()]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/absolute/name.txt", "name.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("..", None),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
    ],
)
async def test_names_are_only_names(server: Server, sent: str, kept: str | None) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, b"content", sent)
        response = await fetch(file["media_url"])

    assert file["filename"] == kept
    assert "/" not in response.headers["Content-Disposition"].partition("filename*")[0]
    assert response.content == b"content"


@pytest.mark.parametrize(
    "content",
    [
        HTML,
        SVG,
        b'<?xml version="1.0"?>\n' + SVG,
        PDF,
        picture("GIF", (8, 8)) + ZIP_END,
        b"GIF89a/*" + HTML,
        picture("JPEG", (8, 8))[:20],
        png_bomb(),
        b"\x89PNG\r\n\x1a\n" + os.urandom(64),
        b"\x00\x00\x00\x18ftypmp42" + HTML,
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + HTML,
        b"OggS" + bytes(60),
        b"\x1a\x45\xdf\xa3webm" + bytes(60),
    ],
    ids=[
        "html",
        "svg",
        "xml",
        "pdf",
        "gif-zip",
        "gif-html",
        "jpeg-head",
        "png-bomb",
        "png-noise",
        "mp4-html",
        "id3-html",
        "ogg-nothing",
        "webm-nothing",
    ],
)
async def test_whatever_could_run_or_explode_is_only_saved(server: Server, content: bytes) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, content, "innocent.jpg")
        response = await fetch(file["media_url"])

    assert file["message_type"] == "document"
    assert file["thumbnail_url"] is None
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Content-Type"] in (
        "application/octet-stream",
        "application/pdf",
        "application/zip",
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "script" not in response.headers["Content-Security-Policy"]
    assert response.content == content


async def test_a_truncated_picture_has_no_preview(server: Server) -> None:
    content = picture("PNG", (400, 400))
    async with server.person(ANNA) as anna:
        file = await upload(anna, content[: len(content) // 2])

    assert (file["message_type"], file["width"], file["height"]) == ("photo", 400, 400)
    assert file["thumbnail_url"] is None


def multipart(content: bytes, *, boundary: bytes = b"b", header: bytes = b"") -> bytes:
    return (
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n%b\r\n%b'
        b"\r\n--%b--\r\n" % (boundary, header, content, boundary)
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"file":{}}', "application/json"),
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
        (multipart(b"x"), "multipart/form-data; boundary=other"),
        (multipart(b"x", boundary=b"b" * 300), "multipart/form-data; boundary=" + "b" * 300),
        (multipart(b"x", header=b"X: " + b"y" * 5000 + b"\r\n"), "multipart/form-data; boundary=b"),
        (multipart(b"x", header=b"X: y\r\n" * 50), "multipart/form-data; boundary=b"),
        (multipart(b""), "multipart/form-data; boundary=b"),
        (multipart(b"x")[:-6], "multipart/form-data; boundary=b"),
        (multipart(b"x").replace(b'"file"', b'"photo"'), "multipart/form-data; boundary=b"),
        (multipart(b"x")[:-7] + b"\r\n" + multipart(b"y"), "multipart/form-data; boundary=b"),
        (b"\x00\xff" * 100, "multipart/form-data; boundary=b"),
    ],
    ids=[
        "json",
        "no-boundary",
        "nothing",
        "no-parts",
        "other-boundary",
        "long-boundary",
        "long-header",
        "many-headers",
        "empty-file",
        "cut-off",
        "wrong-field",
        "two-files",
        "noise",
    ],
)
async def test_a_broken_form_is_422(
    server: Server, services: Services, body: bytes, content_type: str
) -> None:
    async with server.person(ANNA) as anna:
        response = await anna.request(
            "POST", UPLOAD, content=body, headers={"Content-Type": content_type}
        )

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_upload"
    assert await staged(services) == []


async def test_a_part_may_have_a_header_of_300_bytes(server: Server) -> None:
    body = multipart(b"content", header=b"X-Long: " + b"y" * 290 + b"\r\n")
    async with server.person(ANNA) as anna:
        response = await anna.request(
            "POST",
            UPLOAD,
            content=body,
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )

    assert response.status_code == 200
    assert response.json()["media_size"] == 7


async def test_too_large_by_its_announcement(server: Server, services: Services) -> None:
    async with server.person(ANNA) as anna:
        response = await try_upload(anna, bytes(2 * 1024 * 1024))

    assert (response.status_code, response.json()["code"]) == (413, "file_too_large")
    assert await staged(services) == []


@pytest.mark.parametrize("part", ["in the file", "behind the form"])
async def test_too_large_without_an_announcement_is_refused_on_the_way(
    server: Server, services: Services, part: str
) -> None:
    head = PART_HEAD if part == "in the file" else multipart(b"x")
    async with server.person(ANNA) as anna, trio.open_nursery() as nursery:
        stream = await begin_upload(server, anna, "Transfer-Encoding: chunked")
        sent = 0

        async def send_for_ever() -> None:
            nonlocal sent
            await stream.send_all(chunk(head))
            while True:
                await stream.send_all(chunk(bytes(65536)))
                sent += 65536

        nursery.start_soon(send_for_ever)
        with trio.fail_after(DEADLINE_SECONDS):
            answer = await stream.receive_some(65536)
        nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert 1024 * 1024 <= sent < 16 * 1024 * 1024
    assert await staged(services) == []


PART_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def begin_upload(server: Server, person: Rest, length: str) -> trio.SocketStream:
    """Connect and send the head of an upload, as a client that goes wrong later."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2]))
    await stream.send_all(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{length}\r\n"
        f"X-Telegram-Init-Data: {person.headers['X-Telegram-Init-Data']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
    )
    return stream


async def test_a_body_that_stops_half_way_leaves_nothing(
    server: Server, services: Services
) -> None:
    async with server.person(ANNA) as anna:
        await upload(anna, b"first", "so that the directories exist")
        stream = await begin_upload(server, anna, "Content-Length: 900000")
        await stream.send_all(PART_HEAD + bytes(500_000))
        with trio.fail_after(DEADLINE_SECONDS):
            while not await staged(services):
                await trio.testing.wait_all_tasks_blocked(0.01)
            await stream.aclose()
            while await staged(services):
                await trio.testing.wait_all_tasks_blocked(0.01)

        assert (await upload(anna, b"next"))["media_size"] == 4


async def test_a_hundred_uploads_at_once_by_one_person(server: Server, services: Services) -> None:
    codes: list[int] = []

    async def one(anna: Rest, number: int) -> None:
        codes.append((await try_upload(anna, b"%d" % number * 20_000)).status_code)

    async with server.person(ANNA) as anna, trio.open_nursery() as nursery:
        await upload(anna, b"first")
        for number in range(100):
            nursery.start_soon(one, anna, number)

    assert set(codes) <= {200, 429}
    assert codes.count(200) >= services.media.limits.uploads_per_user
    assert await staged(services) == []


class TestQuota:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"media_user_quota": 1_000_000})

    async def test_one_persons_files_are_bounded(self, server: Server) -> None:
        async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
            await upload(anna, b"x" * 600_000)
            response = await try_upload(anna, b"y" * 600_000)
            await upload(boris, b"y" * 600_000)

        assert (response.status_code, response.json()["code"]) == (413, "quota_exceeded")


@pytest.mark.parametrize("change", ["e", "s", "id", "none", "thumbnail"])
async def test_a_link_can_not_be_forged(server: Server, change: str) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, picture())
        other = await upload(anna, b"other")
    url = httpx.URL(file["media_url"])
    match change:
        case "e":
            url = url.copy_merge_params({"e": str(int(url.params["e"]) + 1)})
        case "s":
            url = url.copy_merge_params({"s": "A" * 22})
        case "id":
            url = httpx.URL(other["media_url"]).copy_with(query=url.query)
        case "none":
            url = url.copy_with(query=None)
        case "thumbnail":
            url = httpx.URL(file["thumbnail_url"].replace("/thumbnail.webp", ""))
    response = await fetch(str(url))

    assert response.status_code == 404
    assert response.json()["code"] == "file_not_found"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class TestFullDisk:
    @pytest.fixture
    def settings(self, settings: Settings, small_disk: Path) -> Settings:
        changes = {"upload_dir": small_disk, "max_file_size": 8 * 1024 * 1024}
        return settings.model_copy(update=changes)

    async def test_it_is_507_and_nothing_is_left(self, server: Server, services: Services) -> None:
        async with server.person(ANNA) as anna:
            response = await try_upload(anna, os.urandom(3 * 1024 * 1024))
            after = await upload(anna, b"small enough")
            downloaded = await fetch(after["media_url"])

        assert (response.status_code, response.json()["code"]) == (507, "storage_full")
        assert await staged(services) == []
        assert downloaded.content == b"small enough"
        async with services.database.connection() as conn:
            assert await conn.fetch_all("SELECT size_bytes FROM media") == [(12,)]


async def test_what_was_never_used_is_collected_after_a_day(
    settings: Settings, server: Server, services: Services
) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        unused = await upload(anna, b"unused")
        used = await upload(anna, b"used")
        await anna.send(chat_id, "", media_id=used["media_id"])
        assert await services.media.janitor.sweep_page() == 0
        async with services.database.connection() as conn:
            await conn.execute("UPDATE media SET created_at = created_at - interval '25 hours'")
        collected = await services.media.janitor.sweep_page()

        assert collected == 1
        assert (await fetch(unused["media_url"])).status_code == 404
        assert (await fetch(used["media_url"])).content == b"used"
        assert len(await services.media.store.keys()) == 1
