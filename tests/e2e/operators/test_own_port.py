"""METRICS_BIND: a way to one node of several that share a port."""

from __future__ import annotations

import httpx

from aeon.services import Services
from tests.e2e.operators.conftest import ADMIN_TOKEN
from tests.e2e.operators.test_stream import following
from tests.e2e.test_metrics import serving
from tests.helpers.clients import Server

BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def test_it_has_what_operators_use_and_nothing_else(services: Services) -> None:
    async with serving(services, metrics_bind="127.0.0.1:0") as node:
        assert node.lifecycle.metrics_listening is not None
        async with httpx.AsyncClient(base_url=node.lifecycle.metrics_listening.url) as http:
            page = await http.get("/admin")
            module = await http.get("/static/admin/main.js")
            figures = await http.get("/metrics")
            system = await http.get("/api/v1/admin/system", headers=BEARER)
            stranger = await http.get("/api/v1/admin/system")
            gone = await http.post("/api/v1/admin/actors/chat/1/restart", headers=BEARER)
            others = [
                (await http.get(path)).status_code
                for path in ("/", "/docs", "/api/v1/me", "/api/v1/chats/", "/ws", "/media/x")
            ]
        async with following(Server(node.lifecycle.metrics_listening.url)) as (follower, _):
            overview = await follower.next_overview()
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert module.headers["Content-Type"].startswith("text/javascript")
    assert figures.status_code == system.status_code == 200
    assert system.headers["X-Request-ID"]
    assert (stranger.status_code, gone.json()["code"]) == (401, "actor_not_found")
    assert overview.system.node == system.json()["node"]
    assert others == [404] * len(others)
