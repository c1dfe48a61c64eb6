"""A file's whole way over a real port: upload, message, download, preview, forward, deletion."""

import io
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing
from PIL import Image

from aeon.services import Services
from tests.e2e.media.uploading import fetch, upload
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.files import made_by_ffmpeg, picture

ANNA, BORIS = 2001, 2002


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_a_picture_goes_all_the_way(server: Server, image_format: str) -> None:
    content = picture(image_format)
    async with server.person(ANNA) as anna, server.connected(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        file = await upload(anna, content, "Urlaub.png")
        message = await anna.send(chat_id, "A caption", media_id=file["media_id"])
        event = await boris.event("new_message")

        downloaded = await fetch(message["media_url"])
        thumbnail = await fetch(message["thumbnail_url"])

    assert file["message_type"] == message["message_type"] == "photo"
    assert file["media_type"] == f"image/{image_format.lower()}"
    assert (file["width"], file["height"], file["media_size"]) == (640, 360, len(content))
    assert file["filename"] == "Urlaub.png"
    for field in ("media_id", "media_url", "media_type", "media_size", "width", "thumbnail_url"):
        assert message[field] == file[field]
    # Frames are the same for everybody, so they name no origin unless PUBLIC_URL does.
    path = urlsplit(file["media_url"])
    assert event["message"]["media_url"] == f"{path.path}?{path.query}"
    assert downloaded.content == content
    assert downloaded.headers["Content-Type"] == file["media_type"]
    assert Image.open(io.BytesIO(thumbnail.content)).size == (320, 180)
    assert thumbnail.headers["Content-Type"] == "image/webp"


@pytest.mark.parametrize(
    ("name", "is_voice", "message_type", "media_type"),
    [
        ("film.mp4", False, "video", "video/mp4"),
        ("film.webm", False, "video", "video/webm"),
        ("film.mov", False, "video", "video/quicktime"),
        ("voice.mp3", False, "audio", "audio/mpeg"),
        ("voice.m4a", False, "audio", "audio/mp4"),
        ("sound.flac", False, "audio", "audio/flac"),
        ("vorbis.ogg", False, "audio", "audio/ogg"),
        ("voice.ogg", True, "voice", "audio/ogg"),
        ("voice.mp3", True, "voice", "audio/mpeg"),
        ("voice.m4a", True, "voice", "audio/mp4"),
        ("voice.webm", True, "voice", "audio/webm"),
    ],
)
async def test_sound_and_film_go_all_the_way(
    server: Server, name: str, is_voice: bool, message_type: str, media_type: str
) -> None:
    content = made_by_ffmpeg(name)
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        fields = {"kind": "voice"} if is_voice else {}
        file = await upload(anna, content, "noname", **fields)
        message = await anna.send(chat_id, "", media_id=file["media_id"])
        downloaded = await fetch(message["media_url"])
        part = await fetch(message["media_url"], Range="bytes=-10")

    assert (message["message_type"], message["media_type"]) == (message_type, media_type)
    assert message["media_duration"] == (2 if message_type == "video" else 3)
    if message_type == "video":
        assert (message["width"], message["height"]) == (320, 180)
    if message_type == "voice":
        assert 10 < len(message["waveform"]) <= 100
        assert all(0 <= sample <= 100 for sample in message["waveform"])
    assert downloaded.content == content
    assert downloaded.headers["Content-Disposition"].startswith("inline")
    assert (part.status_code, part.content) == (206, content[-10:])


async def test_a_document_is_only_saved(server: Server) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, b"\x00\x01anything", "Отчёт за 2026.xyz")
        response = await fetch(file["media_url"])

    assert file["message_type"] == "document"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=UTF-8''%D0%9E" in response.headers["Content-Disposition"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_a_forward_shares_the_file_and_the_last_deletion_removes_it(
    server: Server, services: Services
) -> None:
    content = picture("PNG", (50, 40))
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        other_chat = await anna.create_group(title="Other")
        file = await upload(anna, content)
        message = await anna.send(chat_id, "", media_id=file["media_id"])
        copy = await anna.post(
            "/api/v1/messages/forward",
            params={"message_id": message["id"], "chat_id": other_chat},
        )
        assert copy["media_id"] == file["media_id"]

        await anna.delete(f"/api/v1/messages/{message['id']}")
        assert not await services.media.janitor.collect(file["media_id"])
        assert (await fetch(file["media_url"])).status_code == 200
        await anna.delete(f"/api/v1/messages/{copy['id']}")
        with trio.fail_after(DEADLINE_SECONDS):
            while await services.media.store.keys():
                await trio.testing.wait_all_tasks_blocked()

        assert (await fetch(file["media_url"])).status_code == 404


async def test_only_the_uploader_sends_a_file(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        file = await upload(anna, picture())
        chat_id = await boris.create_group()
        response = await boris.request(
            "POST",
            "/api/v1/messages/",
            json={"chat_id": chat_id, "media_id": file["media_id"]},
        )

    assert response.status_code == 422
    assert response.json()["code"] == "media_not_found"


async def test_captions_hold_1024_characters(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        file = await upload(anna, picture())
        message = await anna.send(chat_id, "ä" * 1024, media_id=file["media_id"])
        response = await anna.request(
            "POST",
            "/api/v1/messages/",
            json={"chat_id": chat_id, "text": "ä" * 1025, "media_id": file["media_id"]},
        )

    assert message["text"] == "ä" * 1024
    assert response.status_code == 422


async def test_equal_files_are_stored_once(server: Server, services: Services) -> None:
    content = picture()
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        mine = await upload(anna, content)
        yours = await upload(boris, content)
        both = [(await fetch(file["media_url"])).content for file in (mine, yours)]

    assert mine["media_id"] != yours["media_id"]
    assert both == [content, content]
    # One picture and its one preview.
    assert len(await services.media.store.keys()) == 2


async def test_a_chats_photo_keeps_working(server: Server, services: Services) -> None:
    content = picture()
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        file = await upload(anna, content)
        chat = await anna.post(
            "/api/v1/chats/",
            {
                "title": "With photo",
                "chat_type": "group",
                "photo_url": file["media_url"],
                "member_ids": [],
            },
        )
        assert (await fetch(chat["photo_url"])).content == content
        assert not await services.media.janitor.collect(file["media_id"])

        # A link is no permission to keep a file: somebody else's stays a plain address.
        other = await boris.post(
            "/api/v1/chats/",
            {"title": "Mine", "chat_type": "group", "photo_url": file["media_url"]},
        )
        assert other["photo_url"] == file["media_url"]
        await anna.delete(f"/api/v1/chats/{chat['id']}")


async def test_a_caption_is_as_short_when_it_is_edited(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        file = await upload(anna, picture())
        message = await anna.send(chat_id, "A caption", media_id=file["media_id"])
        path = f"/api/v1/messages/{message['id']}"
        longest = await anna.put(path, {"text": "x" * 1024})
        too_long = await anna.request("PUT", path, json={"text": "x" * 1025})

    assert longest["text"] == "x" * 1024
    assert (too_long.status_code, too_long.json()["code"]) == (422, "message_too_long")
    assert too_long.json()["details"][0]["field"] == "text"


async def test_a_caption_can_be_taken_away_on_both_ways_in(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
        server.connected(BORIS) as listening,
        server.connected(ANNA) as socket,
    ):
        chat_id = await anna.create_group(BORIS)
        file = await upload(anna, picture())
        one = await anna.send(chat_id, "A caption", media_id=file["media_id"])
        two = await anna.send(chat_id, "A caption", media_id=file["media_id"])
        words = await anna.send(chat_id, "Words")
        cleared = await anna.put(f"/api/v1/messages/{one['id']}", {"text": ""})
        ack = await socket.command("edit_message", message_id=two["id"], text=" ")
        path = f"/api/v1/messages/{words['id']}"
        refused = await anna.request("PUT", path, json={"text": ""})
        refused_there = await socket.command("edit_message", message_id=words["id"], text="")
        told = [await listening.event("message_edited") for _ in range(2)]
        page = await boris.get(f"/api/v1/chats/{chat_id}/events?after=0")

    for message in (cleared, ack["message"], *(event["message"] for event in told)):
        assert (message["text"], message["is_edited"]) == (None, True)
        assert message["media_id"] == file["media_id"]
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")
    assert [detail["field"] for detail in refused.json()["details"]] == ["text"]
    assert (refused_there["code"], refused_there["field"]) == ("invalid_field", "text")
    assert "A caption" not in repr(page)
    assert "Words" in repr(page)


async def test_links_are_relative_where_the_host_makes_no_sense(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        file = await upload(anna, picture())
        await anna.send(chat_id, "A picture", media_id=file["media_id"])
        path = f"/api/v1/messages/chat/{chat_id}"
        answers = [
            await anna.get(path, headers={"Host": host}) for host in ("a b", "<script>", "[::1")
        ]

    assert file["media_url"].startswith(f"{server.url}/media/")
    for answer in answers:
        assert answer["messages"][0]["media_url"].startswith("/media/")
