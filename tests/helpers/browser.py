"""A headless Chromium, driven over its DevTools protocol. It can reach 127.0.0.1 only."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import trio
import trio_websocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
START_SECONDS = 60.0
WAIT_SECONDS = 60.0
# A page's messages hold whole scripts.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Page:
    """One tab; collects what it complains about and what it asks the network for."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._replies: dict[int, dict[str, Any]] = {}
        self._changed = trio.Event()
        self.complaints: list[str] = []
        self.addresses: list[str] = []

    async def listen(self) -> None:
        try:
            while True:
                frame = orjson.loads(await self._connection.get_message())
                if "id" in frame:
                    self._replies[frame["id"]] = frame
                else:
                    self._note(frame["method"], frame["params"])
                changed, self._changed = self._changed, trio.Event()
                changed.set()
        except trio_websocket.ConnectionClosed:
            return

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Network.requestWillBeSent":
            self.addresses.append(params["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._connection.send_message(
            orjson.dumps({"id": number, "method": method, "params": params}).decode()
        )
        with trio.fail_after(WAIT_SECONDS):
            while number not in self._replies:
                await self._changed.wait()
        reply = self._replies.pop(number)
        assert "error" not in reply, reply["error"]
        result: dict[str, Any] = reply["result"]
        return result

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> Any:
        """Wait until a script gives something true. The page's own clock decides when."""
        with trio.fail_after(WAIT_SECONDS):
            while True:
                # A promise inside the page waits for its next picture: no clock of ours.
                value = await self.evaluate(
                    f"new Promise(next => setTimeout(() => next({script}), 50))"
                )
                if value:
                    return value


@asynccontextmanager
async def open_page() -> AsyncIterator[Page]:
    """Start a browser with an empty profile and one page; stop it afterwards."""
    assert CHROMIUM is not None
    directory = Path(tempfile.mkdtemp(prefix="aeon-browser-"))
    command = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={directory}",
        "about:blank",
    ]
    try:
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(
                    trio.run_process,
                    command,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
            )
            try:
                async with _page(directory) as page:
                    yield page
            finally:
                process.terminate()
    finally:
        await trio.to_thread.run_sync(lambda: shutil.rmtree(directory, ignore_errors=True))


@asynccontextmanager
async def _page(directory: Path) -> AsyncIterator[Page]:
    port = await _port(trio.Path(directory / "DevToolsActivePort"))
    url = await _debugger_url(port)
    async with (
        trio_websocket.open_websocket_url(url, max_message_size=MAX_MESSAGE_BYTES) as connection,
        trio.open_nursery() as nursery,
    ):
        page = Page(connection)
        nursery.start_soon(page.listen)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        yield page
        nursery.cancel_scope.cancel()


async def _port(path: trio.Path) -> int:
    with trio.fail_after(START_SECONDS):
        while True:
            if await path.exists() and (lines := (await path.read_text()).splitlines()):
                return int(lines[0])
            # Another process writes the file; there is nothing to wait on.
            await trio.sleep(0.05)


async def _debugger_url(port: int) -> str:
    async with httpx.AsyncClient() as http:
        targets = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
    return next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
