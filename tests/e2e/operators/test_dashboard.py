"""The operators' page in a real browser, over a real node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import trio

from aeon.admin.stream import Streams
from aeon.main import serve_node
from aeon.services import Lifecycle, Services
from tests.e2e.operators.conftest import ADMIN_ID, ADMIN_TOKEN, Blockade
from tests.helpers.browser import CHROMIUM, Page, open_page
from tests.helpers.clients import Rest, Server
from tests.helpers.telegram import init_data

ANNA, BORIS = 1001, 1002
LONGEST_ID = 9_007_199_254_740_991
VIEWS = ("", "tree", "actors", "sessions", "dead-letters", "audit")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium package")


async def log_in(page: Page, url: str, token: str = ADMIN_TOKEN) -> None:
    await page.go(f"{url}/admin")
    await page.wait_for("!!document.querySelector('#token')")
    await type_token(page, token)


async def type_token(page: Page, token: str) -> None:
    await page.evaluate("document.querySelector('#token').value = ''")
    await page.evaluate("document.querySelector('#token').focus()")
    await page.call("Input.insertText", text=token)
    await press(page, "Enter")


async def press(page: Page, key: str) -> None:
    codes = {"Tab": 9, "Enter": 13, "Escape": 27}
    common: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
    text = {"text": "\r"} if key == "Enter" else {}
    await page.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
    await page.call("Input.dispatchKeyEvent", type="keyUp", **common)


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus, and see that the focus shows."""
    wanted = orjson.dumps(selector).decode()
    for _ in range(60):
        await press(page, "Tab")
        if await page.evaluate(f"document.activeElement.matches({wanted})"):
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            return
    raise AssertionError(f"no Tab leads to {selector}")


async def show(page: Page, view: str) -> None:
    await page.evaluate(f"location.hash = '#/{view}'")
    await page.wait_for("!document.querySelector('main .empty')?.textContent.startsWith('Waiting')")


@asynccontextmanager
async def sending(person: Rest, chat_id: int, text: str) -> AsyncIterator[list[int]]:
    """Send in the background; the list gets the status of the answer."""
    statuses: list[int] = []

    async def send() -> None:
        body = {"chat_id": chat_id, "text": text}
        answer = await person.request("POST", "/api/v1/messages/", json=body, timeout=60)
        statuses.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        yield statuses


async def test_an_operator_frees_a_stuck_chat_by_keyboard(
    server: Server, blockade: Blockade
) -> None:
    async with server.person(BORIS), server.person(ANNA) as anna, open_page() as page:
        chat_id = await anna.create_group(BORIS)
        other_id = await anna.create_group(BORIS, title="Other")
        await log_in(page, server.url)
        await page.wait_for("document.querySelector('.tiles')?.innerText.includes('Commit')")

        blockade.chats.add(chat_id)
        async with sending(anna, chat_id, "held up") as statuses:
            await blockade.caught.wait()
            await page.wait_for("!!document.querySelector('#stuck')")
            assert await page.evaluate("document.querySelector('#alarm').textContent") == (
                f"Stuck: chat/{chat_id}"
            )
            # The others go on meanwhile.
            await anna.send(other_id, "not held up")

            await tab_to(page, "#stuck a")
            await press(page, "Enter")
            await page.wait_for("document.querySelector('h1')?.textContent.startsWith('chat/')")
            await page.wait_for("document.querySelectorAll('.frames li').length")
            seen = await page.evaluate("document.querySelector('main').innerText")
            assert "receive_batch" in seen
            assert "SendMessage" in seen
            assert "held up" not in seen

            await tab_to(page, "[data-action=restart]")
            await press(page, "Enter")
            await page.wait_for("!!document.querySelector('dialog[open]')")
            await press(page, "Escape")
            await page.wait_for("!document.querySelector('dialog')")
            assert await page.evaluate("!!document.querySelector('main .notice.bad')")

            blockade.chats.clear()
            await page.evaluate("document.querySelector('[data-action=restart]').focus()")
            await press(page, "Enter")
            await page.wait_for("!!document.querySelector('dialog[open]')")
            await tab_to(page, "[data-confirm]")
            await press(page, "Enter")
            await page.wait_for("document.querySelector('.notice.good')?.textContent")
            await page.wait_for("!document.querySelector('main .notice.bad')")
        await anna.send(chat_id, "after it")
        await press(page, "Escape")
        await page.wait_for("document.querySelector('h1')?.textContent === 'Actors'")
    assert statuses[0] >= 500
    assert page.complaints == []
    assert all(one.startswith(server.url) for one in page.addresses)


async def test_every_view_fits_a_phone_and_has_a_dark_side(server: Server) -> None:
    fits = "[...document.querySelectorAll('td, dd, li')].every(o => o.scrollWidth <= o.clientWidth)"
    async with (
        server.person(BORIS),
        server.person(LONGEST_ID) as anna,
        server.connected(LONGEST_ID),
        open_page() as page,
    ):
        await anna.send(await anna.create_group(BORIS), "a message")
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=360, height=740, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        await log_in(page, server.url)
        await page.wait_for("!!document.querySelector('.tiles')")
        named = "[...document.querySelectorAll('summary')].map(o => o.textContent)"
        assert "HTTP" in await page.evaluate(named)
        for view in VIEWS:
            await show(page, view)
            await page.wait_for("!!document.querySelector('main :is(td, li, .empty)')")
            assert await page.evaluate("document.documentElement.scrollWidth") == 360, view
            assert await page.evaluate(fits), view
        await show(page, "tree")
        tree = await page.wait_for("document.querySelector('.tree')?.innerText")
        await show(page, "actors?kind=chat")
        await page.wait_for("document.querySelectorAll('tbody tr').length === 1")
        await page.evaluate("document.querySelector('tbody a').click()")
        await page.wait_for("document.querySelectorAll('.card').length > 3")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360

        ground = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(ground)
        dark_scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.call("Emulation.setEmulatedMedia", features=dark_scheme)
        dark = await page.evaluate(ground)
    for part in ("writer", "presence", "chat", "user"):
        assert part in tree
    assert light != dark
    assert page.complaints == []


async def test_a_wrong_token_is_told_so_and_is_not_kept(server: Server) -> None:
    async with open_page() as page:
        await log_in(page, server.url, "a-token-that-is-wrong")
        await page.wait_for("document.querySelector('#login-message')?.textContent")
        message = await page.evaluate("document.querySelector('#login-message').textContent")
        kept = await page.evaluate("sessionStorage.length + localStorage.length")
        await type_token(page, ADMIN_TOKEN)
        await page.wait_for("!!document.querySelector('.tiles')")
        await page.evaluate("document.querySelector('.quiet').click()")
        await page.wait_for("!!document.querySelector('#token')")
        left = await page.evaluate("sessionStorage.length + document.cookie.length")
    assert "ADMIN_TOKEN" in message
    assert kept == left == 0
    assert all(ADMIN_TOKEN not in address for address in page.addresses)


async def test_telegram_lets_administrators_in_without_a_token(server: Server) -> None:
    raw = init_data(ADMIN_ID, "Olga")
    async with open_page() as page:
        fragment = f"tgWebAppData={quote(raw, safe='')}&tgWebAppVersion=8.0"
        await page.go(f"{server.url}/admin#{fragment}")
        await page.wait_for("!!document.querySelector('.tiles')")
        assert await page.evaluate("location.href") == f"{server.url}/admin#/"
        # Somebody else, in the same tab.
        other = quote(init_data(ANNA, "Anna"), safe="")
        await page.evaluate(f"location.hash = 'tgWebAppData={other}'")
        await page.wait_for("!!document.querySelector('#login-message')?.textContent")
    assert all("tgWebApp" not in address for address in page.addresses)


async def test_a_restart_is_shown_and_survived(services: Services) -> None:
    async with open_page() as page:
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            listening = await nursery.start(serve_node, services, stop)
            await log_in(page, listening.url)
            await page.wait_for("!!document.querySelector('.tiles')")
            stop.set()
        lost = await page.wait_for("document.querySelector('#lost')?.innerText")
        port = int(listening.url.rpartition(":")[2])
        settings = services.settings.model_copy(update={"port": port})
        again = replace(services, settings=settings, lifecycle=Lifecycle(), streams=Streams())
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            await nursery.start(serve_node, again, stop)
            await page.wait_for("!document.querySelector('#lost')")
            spoken = await page.evaluate("document.querySelector('#spoken').textContent")
            stop.set()
    assert "Connection lost" in lost
    assert "old" in lost
    assert spoken == "The connection is back."
