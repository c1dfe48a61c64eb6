"""``/metrics`` over a real port: who may read it, and that it shows what happened."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import trio
from pydantic import SecretStr

from aeon.load.server_figures import read_metrics
from aeon.main import serve_node
from aeon.services import Services
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.scraping import Scrape

TOKEN = "metrics-token-of-a-test"
ANNA, BORIS = 1001, 1002


@asynccontextmanager
async def serving(services: Services, **changes: object) -> AsyncIterator[Services]:
    """Serve a node with other settings."""
    settings = services.settings.model_copy(update=changes)
    changed = replace(services, settings=settings)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_node, changed, stop)
        yield changed
        stop.set()


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


async def test_wants_its_token_on_either_port(services: Services) -> None:
    """Fault: the port of METRICS_BIND forgets to ask."""
    bound = {"metrics_token": SecretStr(TOKEN), "metrics_bind": "127.0.0.1:0"}
    async with serving(services, **bound) as node:
        life = node.lifecycle
        assert life.listening is not None
        assert life.metrics_listening is not None
        for url in (life.listening.url, life.metrics_listening.url):
            async with httpx.AsyncClient(base_url=url) as http:
                for given in ("", "Bearer wrong", TOKEN, f"Bearer {TOKEN}x", "Bearer é"):
                    headers = {b"Authorization": given.encode()}
                    assert (await http.get("/metrics", headers=headers)).status_code == 401
                headers = {b"Authorization": f"Bearer {TOKEN}".encode()}
                assert (await http.get("/metrics", headers=headers)).status_code == 200


async def test_a_port_of_its_own_serves_nothing_to_people(services: Services) -> None:
    """Fault: what looks private is a second door to the API."""
    async with serving(services, metrics_bind="127.0.0.1:0") as node:
        assert node.lifecycle.metrics_listening is not None
        async with httpx.AsyncClient(base_url=node.lifecycle.metrics_listening.url) as http:
            answer = await http.get("/metrics")
            others = [(await http.get(path)).status_code for path in ("/", "/api/v1/health", "/ws")]

    assert "aeon_build_info" in answer.text
    assert others == [404, 404, 404]


async def test_counts_what_people_do(server: Server) -> None:
    """Fault: a count that is never made, made twice, or stands under another label."""
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        chat_id = await anna.create_group(BORIS)
        async with server.connected(ANNA) as socket, server.connected(BORIS, "Boris") as other:
            sent = {"chat_id": chat_id, "text": "hello", "client_msg_id": "once"}
            await socket.command("send_message", **sent)
            await socket.command("send_message", **sent)
            await socket.command("send_message", chat_id=chat_id, text="")
            await socket.command("no such thing")
            await other.command("resume", cursors={str(chat_id): 0, "999": 0})
            await other.event("new_message")
            open_now = await Scrape.of(server)
        refused = await server_refuses(server)
        after = await Scrape.of(server)
        with trio.fail_after(DEADLINE_SECONDS):
            while after.value("aeon_websocket_connections"):
                after = await Scrape.of(server)

    def count(name: str, **labels: str) -> float:
        return open_now.value(name, **labels)

    assert count("aeon_websocket_connections", path="direct") == 2
    assert count("aeon_websocket_commands_total", type="send_message", outcome="ok") == 2
    invalid = {"type": "send_message", "outcome": "invalid_field"}
    assert count("aeon_websocket_commands_total", **invalid) == 1
    assert count("aeon_websocket_commands_total", type="unknown", outcome="unknown_type") == 1
    assert count("aeon_websocket_command_seconds_count", type="send_message") == 3
    assert count("aeon_writer_outcomes_total", outcome="duplicate") == 1
    assert count("aeon_events_total", type="message_sent") == 1
    assert count("aeon_events_total", type="chat_created") == 1
    assert count("aeon_writer_commit_seconds_count") >= 3
    assert count("aeon_writer_batch_commands_sum") == count("aeon_writer_commands_total")
    assert count("aeon_fanout_deliveries_total") >= 1
    assert count("aeon_resumed_chats_total", outcome="replayed") == 1
    assert count("aeon_resumed_chats_total", outcome="left") == 1
    assert count("aeon_resumed_events_total") >= 1
    # Init data signed in another second is another log-in of the same person.
    assert count("aeon_logins_total", method="init_data") == 5
    assert count("aeon_logins_total", method="init_data", outcome="ok") >= 2
    assert count("aeon_logins_total", method="init_data", outcome="remembered") >= 1
    assert count("aeon_net_websockets") == 2
    assert count("aeon_service_up", service="writer") == 1
    assert count("aeon_actors_by_state", kind="chat", state="idle") == 1
    assert count("aeon_database_up") == 1
    assert (count("aeon_draining"), count("aeon_media_disk_bytes", kind="free") > 0) == (0, True)

    assert refused == 4001
    assert after.value("aeon_websocket_connections", path="direct") == 0
    assert after.value("aeon_websocket_opened_total", path="direct") == 2
    left = {"code": "none", "reason": "client_left"}
    assert after.value("aeon_websocket_closed_total", **left) == 2
    forged = {"code": "4001", "reason": "init_data_invalid"}
    assert after.value("aeon_websocket_closed_total", **forged) == 1
    assert after.value("aeon_logins_total", method="init_data", outcome="init_data_invalid") == 1


async def server_refuses(server: Server) -> int:
    async with server.socket("?init_data=forged") as socket:
        return (await socket.wait_closed()).code


async def test_a_scrape_walks_over_the_actors_once(
    services: Services, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: each family takes a look of its own, which the loop has to wait for."""
    walks = 0
    walk = services.system.loads

    async def counted() -> object:
        nonlocal walks
        walks += 1
        return await walk()

    monkeypatch.setattr(services.system, "loads", counted)
    await Scrape.of(server)

    assert walks == 1


async def test_no_label_is_about_somebody(server: Server) -> None:
    """Fault: a path, an id or an address of a client becomes a label."""
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group(title="Secret title")
        await anna.send(chat_id, "Secret words")
        await anna.get(f"/api/v1/messages/chat/{chat_id}")
        await anna.http.get(f"/nowhere/{ANNA}")
        scrape = await Scrape.of(server)

    values = {value for sample in scrape.samples for value in sample.labels.values()}
    allowed = {"code", "status", "le", "quantile"}
    numbers = {
        value
        for sample in scrape.samples
        for name, value in sample.labels.items()
        if name not in allowed and re.search(r"\d", value)
    }
    assert {value for value in numbers if not re.match(r"/api/v1|\d+\.\d+", value)} == set()
    assert not [value for value in values if "ecret" in value or str(ANNA) in value]
