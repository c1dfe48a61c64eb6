"""A real browser shows a picture and plays a voice from another origin, by link alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from tests.e2e.media.uploading import upload
from tests.helpers.browser import CHROMIUM, open_page
from tests.helpers.clients import Server
from tests.helpers.files import made_by_ffmpeg, picture

ANNA = 2301
PAGE = b"<!doctype html><meta charset=utf-8><title>Elsewhere</title><body></body>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium package")


@asynccontextmanager
async def other_origin() -> AsyncIterator[str]:
    """A server of an empty page, on a port of its own."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE)
        )
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_img_and_audio_from_another_origin(server: Server) -> None:
    async with server.person(ANNA) as anna, other_origin() as origin, open_page() as page:
        chat_id = await anna.create_group()
        photo = await upload(anna, picture("JPEG", (640, 360)))
        voice = await upload(anna, made_by_ffmpeg("voice.ogg"), kind="voice")
        photo_message = await anna.send(chat_id, "", media_id=photo["media_id"])
        voice_message = await anna.send(chat_id, "", media_id=voice["media_id"])
        assert not photo_message["media_url"].startswith(origin)

        await page.go(origin)
        await page.wait_for("document.title === 'Elsewhere'")
        for field in ("media_url", "thumbnail_url"):
            url = photo_message[field]
            shown = await page.evaluate(
                "new Promise(done => { const image = document.createElement('img');"
                " image.onload = () => done([image.naturalWidth, image.naturalHeight]);"
                " image.onerror = () => done('error');"
                f" image.src = '{url}'; document.body.append(image); }})"
            )
            assert shown == ([640, 360] if field == "media_url" else [320, 180])

        await page.call(
            "Runtime.evaluate",
            expression="window.audio = document.createElement('audio');"
            f" audio.src = '{voice_message['media_url']}'; document.body.append(audio);"
            " audio.play()",
            awaitPromise=True,
            # Browsers play what somebody clicked on.
            userGesture=True,
        )
        await page.wait_for("audio.currentTime > 0.2")
        assert 2.9 < await page.evaluate("audio.duration") < 3.2
        await page.evaluate("audio.currentTime = 2.5")
        await page.wait_for("audio.ended")
        assert await page.evaluate("audio.error") is None

    assert page.complaints == []
    assert voice_message["message_type"] == "voice"


async def test_an_uploaded_page_does_not_run(server: Server) -> None:
    """Opened by itself it is saved, not shown; in a frame it stays empty."""
    script = b"<!DOCTYPE html><script>parent.document.title = 'taken over'</script>"
    async with server.person(ANNA) as anna, other_origin() as origin, open_page() as page:
        file = await upload(anna, script, "page.html")
        await page.go(origin)
        await page.wait_for("document.title === 'Elsewhere'")
        outcome = await page.evaluate(
            "new Promise(done => { const one = document.createElement('script');"
            " one.onload = () => done('ran'); one.onerror = () => done('refused');"
            f" one.src = '{file['media_url']}'; document.body.append(one); }})"
        )
        title = await page.evaluate("document.title")

    assert (outcome, title) == ("refused", "Elsewhere")
