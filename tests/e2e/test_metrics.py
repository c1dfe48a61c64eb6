"""``/metrics`` over a real port: who may read it, and what it shows."""

from dataclasses import replace

import httpx
import trio
from pydantic import SecretStr

from aeon.load.server_figures import read_metrics
from aeon.main import serve_node
from aeon.services import Services
from tests.helpers.clients import Server

TOKEN = "metrics-token-of-a-test"


async def test_shows_figures_to_this_machine_only(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        await http.get("/api/v1/health")
        await http.get("/no/such/secret-path")
        answer = await http.get("/metrics")
        forwarded = await http.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})

    assert answer.status_code == 200
    assert forwarded.status_code == 404
    samples = read_metrics(answer.text)
    assert samples["aeon_http_requests_total"] == ("counter", 2.0)
    assert samples["aeon_database_queries_total"][1] > 0
    assert samples["aeon_actors_active"][0] == "gauge"
    assert "aeon_actors_longest_message_seconds" in samples
    assert 'route="/api/v1/health",status="200"' in answer.text
    assert "secret-path" not in answer.text


async def test_wants_its_token(services: Services) -> None:
    settings = services.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_node, replace(services, settings=settings), stop)
        async with httpx.AsyncClient(base_url=listening.url) as http:
            for given in ("", "Bearer wrong", TOKEN, f"Bearer {TOKEN}x", "Bearer é"):
                headers = {b"Authorization": given.encode()}
                assert (await http.get("/metrics", headers=headers)).status_code == 401
            headers = {b"Authorization": f"Bearer {TOKEN}".encode()}
            assert (await http.get("/metrics", headers=headers)).status_code == 200
        stop.set()
