"""What holds for every route there is, asked of every one: slashes, CORS, errors as JSON."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trio

from aeon.api import dispatch
from aeon.app import create_app
from aeon.config import Settings
from aeon.main import open_services
from aeon.services import Services
from storage.errors import Unavailable
from tests.helpers.clients import Server
from tests.helpers.telegram import BOT_TOKEN, init_data

ANNA = 1001
FRONT_END = "http://localhost:5173"
ORIGIN = {"Origin": FRONT_END}
TUS = {"Tus-Resumable": "1.0.0"}
NO_SUCH = {"name": "nothing.jpg"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
EXPECTED_ROUTES = 45
"""So that an empty table is noticed."""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        host="127.0.0.1",
        port=0,
        database_url=database_url,
        data_dir=tmp_path,
        upload_dir=tmp_path / "uploads",
        telegram_bot_token=BOT_TOKEN,
        secret_key="s" * 48,
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as services:
        yield services


def routes(services: Services) -> Iterator[tuple[str, str]]:
    """Every method and path of the running application, with ids that name nothing."""
    for rule in create_app(services).url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda one: NO_SUCH.get(one[1], "999999"), rule.rule)
        if path == "/ws":
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield method, path


def takes_both_slashes(path: str) -> bool:
    return path.startswith("/api/")


def check_cors(answer: httpx.Response, what: object) -> None:
    assert answer.headers.get("Access-Control-Allow-Origin") in (FRONT_END, "*"), what
    exposed = answer.headers["Access-Control-Expose-Headers"].lower()
    for name in ("etag", "retry-after", "x-request-id", "x-duplicate", "upload-offset"):
        assert name in exposed, what
    assert "Origin" in answer.headers["Vary"], what
    assert "Access-Control-Allow-Credentials" not in answer.headers, what
    assert answer.headers["X-Content-Type-Options"] == "nosniff", what


def check_refusal(answer: httpx.Response, status: int, what: object) -> None:
    assert answer.status_code == status, (what, answer.status_code, answer.text[:200])
    check_cors(answer, what)
    if answer.request.method != "HEAD":
        body = answer.json()
        assert body["status_code"] == status, what
        assert body["code"], what
        assert body["error"], what


@asynccontextmanager
async def front_end(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, headers=ORIGIN, timeout=10) as http:
        yield http


async def test_both_slashes_and_cors_for_nobody_and_for_somebody(
    server: Server, services: Services
) -> None:
    raw = {"X-Telegram-Init-Data": init_data(ANNA, "Anna")}
    table = list(routes(services))
    assert len(table) >= EXPECTED_ROUTES
    async with front_end(server) as http:
        for credentials in ({}, raw):
            for method, path in table:
                answers = [
                    await http.request(method, one, headers={**TUS, **credentials})
                    for one in ((path, _other_slash(path)) if takes_both_slashes(path) else (path,))
                ]
                for answer in answers:
                    what = (method, path, answer.status_code, answer.text[:120])
                    assert answer.status_code < 500 or path.endswith("/ready"), what
                    assert not answer.is_redirect or answer.status_code == 304, what
                    # POST on an upload stands for the method that a header names.
                    assert answer.status_code != 405 or path.startswith("/api/v1/uploads/"), what
                    check_cors(answer, what)
                assert len({answer.status_code for answer in answers}) == 1, (method, path)


def _other_slash(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


async def test_preflight_of_every_route(server: Server, services: Services) -> None:
    async with front_end(server) as http:
        for method, path in routes(services):
            for one in {path, _other_slash(path)} if takes_both_slashes(path) else {path}:
                answer = await http.options(
                    one,
                    headers={
                        "Access-Control-Request-Method": method,
                        "Access-Control-Request-Headers": "x-telegram-init-data,content-type",
                    },
                )
                what = (method, one)
                assert answer.is_success, what
                check_cors(answer, what)
                assert method in answer.headers["Access-Control-Allow-Methods"], what
                allowed = answer.headers["Access-Control-Allow-Headers"].lower()
                for name in ("x-telegram-init-data", "authorization", "content-type", "range"):
                    assert name in allowed, what
                assert answer.headers["Access-Control-Max-Age"] == "86400", what


async def test_methods_that_a_route_does_not_have(server: Server, services: Services) -> None:
    urls = create_app(services).url_map.bind("localhost")
    async with front_end(server) as http:
        for path in {path for _, path in routes(services)}:
            # What a path takes, also by a more general rule: /users/{user_id} covers its siblings.
            allowed = set(urls.allowed_methods(path))
            for method in set(METHODS) - allowed:
                answer = await http.request(method, path)
                check_refusal(answer, 405, (method, path))
                named = set(answer.headers["Allow"].split(", "))
                assert named == allowed | {"OPTIONS"}, (method, path)


async def test_no_address_holds_a_nul(server: Server, services: Services) -> None:
    raw = {"X-Telegram-Init-Data": init_data(ANNA, "Anna"), **TUS}
    paths = [
        (method, path.replace("999999", "%00").replace("nothing", "%00"))
        for method, path in routes(services)
        if "999999" in path or "nothing" in path
    ]
    assert len(paths) >= 30
    async with front_end(server) as http:
        for method, path in paths:
            check_refusal(await http.request(method, path, headers=raw), 404, (method, path))


async def test_refusals_of_every_kind_can_be_read(server: Server, services: Services) -> None:
    """Of every route with a body: 401, 422, 413; and the ones that only files have: 415, 412."""
    raw = {"X-Telegram-Init-Data": init_data(ANNA, "Anna")}
    json = {**raw, "Content-Type": "application/json"}
    table = [(method, path) for method, path in routes(services) if path.startswith("/api/v1")]
    open_to_all = 0
    async with front_end(server) as http:
        for method, path in table:
            answer = await http.request(method, path, headers=TUS, content=b"{")
            if answer.status_code != 401:
                open_to_all += 1
                continue
            check_refusal(answer, 401, (method, path))
        assert open_to_all <= 12
        bodies = [
            ("POST", "/api/v1/chats/"),
            ("PUT", "/api/v1/chats/7"),
            ("POST", "/api/v1/chats/7/invite-by-username"),
            ("PUT", "/api/v1/chats/7/members/8"),
            ("POST", "/api/v1/messages/"),
            ("PUT", "/api/v1/messages/7"),
            ("PUT", "/api/v1/me"),
            ("POST", "/api/v1/auth/token"),
        ]
        for method, path in bodies:
            unread = await http.request(method, path, headers=json, content=b"{")
            check_refusal(unread, 422, (method, path))
            huge = await http.request(method, path, headers=json, content=b" " * 300_000)
            check_refusal(huge, 413, (method, path))
        no_form = await http.post("/api/v1/messages/upload-media", headers=json, content=b"{}")
        check_refusal(no_form, 422, "upload")
        made = await http.post(
            "/api/v1/uploads", headers={**raw, **TUS, "Upload-Length": "5"}, content=b""
        )
        path = httpx.URL(made.headers["Location"]).path
        piece = {**raw, **TUS, "Upload-Offset": "0", "Content-Type": "text/plain"}
        check_refusal(await http.patch(path, headers=piece, content=b"x"), 415, "piece")
        check_refusal(await http.patch(path, headers=raw, content=b"x"), 412, "version")
        check_refusal(await http.get("/nowhere", headers=raw), 404, "nowhere")
        check_refusal(await http.get("/media/nothing.jpg"), 404, "media")
        check_refusal(await http.get("/api/v1/chats/999", headers=raw), 403, "chat")


async def test_waiting_and_faults_of_every_route_can_be_read(
    server: Server, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429, 500 and 503, whatever is asked: raised where every route of the table begins."""
    # Captured: a traceback for each of so many faults takes long to draw.
    with structlog.testing.capture_logs() as logged:
        await _fail_everywhere(server, services, monkeypatch)
    assert any(entry["event"] == "request_failed" for entry in logged)


async def _fail_everywhere(
    server: Server, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Exception] = []

    async def fail(*_: Any) -> None:
        raise raised[-1]

    async with front_end(server) as http:
        monkeypatch.setattr(dispatch, "_run", fail)
        for error, status in (
            (dispatch.EdgeError("rate_limited", retry_after_seconds=2.0), 429),
            (RuntimeError("a fault of ours"), 500),
            (Unavailable("the database is away"), 503),
        ):
            raised.append(error)
            asked = 0
            for method, path in routes(services):
                if _is_of_the_table(path):
                    answer = await http.request(method, path)
                    check_refusal(answer, status, (method, path))
                    if status != 500:
                        assert int(answer.headers["Retry-After"]) >= 1
                    asked += 1
            assert asked >= 30
        assert "a fault of ours" not in answer.text


def _is_of_the_table(path: str) -> bool:
    apart = ("/api/v1/uploads", "/api/v1/messages/upload-media", "/api/v1/admin/")
    return path.startswith("/api/v1") and not path.startswith(apart)


async def test_a_real_flood_can_be_read(server: Server) -> None:
    raw = {"X-Telegram-Init-Data": init_data(ANNA, "Anna")}
    refused: list[httpx.Response] = []
    async with front_end(server) as http:

        async def ask() -> None:
            for _ in range(40):
                answer = await http.post("/api/v1/messages/upload-media", headers=raw, content=b"x")
                if answer.status_code == 429:
                    refused.append(answer)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask)
    check_refusal(refused[0], 429, "flood")
    assert int(refused[0].headers["Retry-After"]) >= 1
