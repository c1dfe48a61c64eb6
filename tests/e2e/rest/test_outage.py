"""The database goes away and comes back: clients are told so, and nothing secret is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.observe import OWN_PACKAGES, configure_logging
from tests.helpers.proxy import PostgresProxy
from tests.helpers.telegram import BOT_TOKEN, init_data

ANNA = 1001
FRONT_END = "http://localhost:5173"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a test sets up writes to a stream that ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(logging.NOTSET)


def settings_for(url: str, directory: Path, log_format: str) -> Settings:
    return Settings(
        _env_file=None,
        host="127.0.0.1",
        port=0,
        database_url=url,
        data_dir=directory,
        upload_dir=directory / "uploads",
        telegram_bot_token=BOT_TOKEN,
        secret_key="k" * 48,
        log_level="DEBUG",
        log_format=log_format,
        debug=True,
    )


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_an_outage_is_a_503_that_browsers_can_read(
    database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    raw = init_data(ANNA, "Secretname")
    headers = {"X-Telegram-Init-Data": raw, "Origin": FRONT_END}
    async with PostgresProxy.open(database_url) as proxy:
        settings = settings_for(proxy.url, tmp_path, log_format)
        configure_logging(settings)
        async with open_services(settings) as services, trio.open_nursery() as nursery:
            stop = trio.Event()
            listening = await nursery.start(serve_node, services, stop)
            async with httpx.AsyncClient(base_url=listening.url, headers=headers) as http:
                chat = (await http.post("/api/v1/chats/", json={"title": "T"})).json()
                body = {"chat_id": chat["id"], "text": "Secret words", "client_msg_id": "k"}
                token = (await http.post("/api/v1/auth/token", json={"init_data": raw})).json()

                # The COMMIT arrives, its answer does not: nobody knows.
                proxy.cut_reply_after = b"COMMIT"
                unknown = await http.post("/api/v1/messages/", json=body)
                proxy.cut_reply_after = None
                again = await http.post("/api/v1/messages/", json=body)
                page = (await http.get(f"/api/v1/messages/chat/{chat['id']}")).json()
            stop.set()

    assert unknown.status_code == 503
    assert unknown.json()["code"] == "outcome_unknown"
    assert int(unknown.headers["Retry-After"]) >= 1
    assert unknown.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert (again.status_code, again.headers.get("X-Duplicate")) == (200, "true")
    assert [one["text"] for one in page["messages"]] == ["Secret words"]
    logged = "".join(capfd.readouterr())
    assert "outcome_unknown" in logged
    assert "Traceback" in logged or "frames" in logged
    for secret in ("Secret words", "Secretname", raw[-40:], token["access_token"], BOT_TOKEN):
        assert secret not in logged
