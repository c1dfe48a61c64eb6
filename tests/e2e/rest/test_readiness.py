"""``/health`` and ``/ready``: each condition by itself, and what load balancers see of it."""

from __future__ import annotations

import httpx
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from storage import migrate
from tests.helpers.clients import Server
from tests.helpers.proxy import PostgresProxy

READY = "/api/v1/ready"
HEALTH = "/api/v1/health"


async def ask(server: Server, path: str = READY) -> tuple[int, dict[str, str]]:
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get(path)
    return answer.status_code, answer.json()


async def test_a_draining_node_is_alive_and_not_ready(server: Server, services: Services) -> None:
    assert await ask(server) == (200, {"status": "ready"})
    services.lifecycle.is_draining = True

    assert await ask(server) == (503, {"status": "draining"})
    assert (await ask(server, HEALTH))[0] == 200


async def test_an_older_schema_is_not_ready_a_newer_one_is(
    server: Server, services: Services
) -> None:
    """Faults: only the connection is looked at; old nodes drop out when new ones migrate."""
    _, older, *_ = migrate.revisions()
    seen = []
    for revision in (older, "of a later version", None):
        async with services.database.connection() as conn:
            await conn.execute("DELETE FROM alembic_version")
            if revision is not None:
                insert = f"INSERT INTO alembic_version VALUES ('{revision}')"
                await conn.execute(insert)
        seen.append(await ask(server))

    outdated = (503, {"status": "schema_outdated"})
    assert seen == [outdated, (200, {"status": "ready"}), outdated]


async def test_without_its_database_it_is_alive_and_not_ready(settings: Settings) -> None:
    assert settings.database_url is not None
    async with PostgresProxy.open(settings.database_url.get_secret_value()) as proxy:
        behind = Settings.model_validate({**settings.model_dump(), "database_url": proxy.url})
        async with open_services(behind) as services, trio.open_nursery() as nursery:
            stop = trio.Event()
            server = Server((await nursery.start(serve_node, services, stop)).url)
            proxy.cut_request_at = b"SELECT"
            away, alive = await ask(server), await ask(server, HEALTH)
            proxy.cut_request_at = None
            back = await ask(server)
            stop.set()

    assert away == (503, {"status": "unavailable"})
    assert (alive[0], alive[1]["status"]) == (200, "healthy")
    assert alive[1]["database"].startswith("error")
    assert back == (200, {"status": "ready"})
