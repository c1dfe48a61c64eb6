"""Rates: people and their polls never meet them, scripts do."""

import re
from pathlib import Path

import httpx
import pytest
import trio

from aeon.api.routes import ROUTES
from aeon.config import Settings
from aeon.limits import Kind, Limiter, Rate
from aeon.main import open_services, serve_node
from aeon.services import Services
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.telegram import BOT_TOKEN, init_data

ANNA = 1001


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
        secret_key="k" * 48,
    )


async def test_an_hours_polls_at_once_pass(server: Server) -> None:
    """14.5 requests a minute for each open window."""
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        statuses = {
            (await anna.request("GET", f"/api/v1/messages/chat/{chat_id}")).status_code
            for _ in range(200)
        }
    assert statuses == {200}


async def test_a_flood_of_sends_is_told_to_wait(server: Server, services: Services) -> None:
    # No bucket fills meanwhile: on a slow machine there would be no flood.
    object.__setattr__(services, "limiter", Limiter(clock=lambda: 0.0))
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        refused = None

        async def send() -> None:
            nonlocal refused
            for _ in range(40):
                answer = await anna.request(
                    "POST", "/api/v1/messages/", json={"chat_id": chat_id, "text": "x"}
                )
                if answer.status_code == 429:
                    refused = answer

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(send)
        assert refused is not None
        assert refused.json()["code"] == "rate_limited"
        assert int(refused.headers["Retry-After"]) >= 1
        # Another kind of request is not affected.
        await anna.get("/api/v1/me")


async def test_whatever_a_person_asks_is_counted(server: Server, services: Services) -> None:
    """But for the pieces of an upload, which the file bounds, and how many come at once."""
    tus = {"Tus-Resumable": "1.0.0"}
    async with server.person(ANNA) as anna:
        rates = {kind: Rate(burst=0, per_second=0.001) for kind in Kind}
        object.__setattr__(services, "limiter", Limiter(rates))
        asked = [
            *((route.method, route.path) for route in ROUTES if route.needs_login),
            ("POST", "/api/v1/messages/upload-media"),
            ("POST", "/api/v1/uploads"),
            *((method, "/api/v1/uploads/{upload_id}") for method in ("GET", "HEAD", "DELETE")),
        ]
        for method, path in asked:
            path = re.sub(r"{\w+}", "7", path)
            answer = await anna.request(method, path, headers=tus)
            assert answer.status_code == 429, (method, path, answer.text)
            assert int(answer.headers["Retry-After"]) >= 1


async def test_bad_credentials_stay_401_however_often(server: Server) -> None:
    """A signature can not be guessed, and the app has to see that it must be opened anew."""
    async with server.person(ANNA) as anna:
        forged = {"X-Telegram-Init-Data": init_data(ANNA, bot_token="1:other")}
        codes = {(await anna.http.get("/api/v1/me", headers=forged)).status_code for _ in range(60)}
    assert codes == {401}


async def test_without_a_bot_token_log_in_says_so(settings: Settings) -> None:
    settings = settings.model_copy(update={"telegram_bot_token": None})
    async with open_services(settings) as services, trio.open_nursery() as nursery:
        stop = trio.Event()
        listening = await nursery.start(serve_node, services, stop)
        async with _client(listening.url) as http:
            raw = init_data(ANNA)
            answer = await http.get("/api/v1/me", headers={"X-Telegram-Init-Data": raw})
            token = await http.post("/api/v1/auth/token", json={"init_data": raw})
            health = await http.get("/api/v1/health")
        stop.set()
    for one in (answer, token):
        assert (one.status_code, one.json()["code"]) == (503, "login_unavailable")
        assert "TELEGRAM_BOT_TOKEN" in one.json()["error"]
    assert health.status_code == 200


@pytest.mark.parametrize("is_debugging", [False, True])
async def test_debug_loosens_nothing(settings: Settings, is_debugging: bool) -> None:
    settings = settings.model_copy(update={"debug": is_debugging})
    async with open_services(settings) as services, trio.open_nursery() as nursery:
        stop = trio.Event()
        listening = await nursery.start(serve_node, services, stop)
        async with _client(listening.url) as http:
            for raw in ("", "test_data", "user=%7B%22id%22%3A391667619%7D&auth_date=1&hash=x"):
                answer = await http.get("/api/v1/me", headers={"X-Telegram-Init-Data": raw})
                assert answer.status_code == 401
        stop.set()


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=DEADLINE_SECONDS)
