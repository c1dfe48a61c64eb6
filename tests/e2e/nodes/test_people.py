"""What changes about people and their sessions holds on every node at once."""

from __future__ import annotations

import pytest

from tests.e2e.nodes.conftest import Node
from tests.helpers.clients import Rest
from tests.helpers.telegram import init_data

ANNA, BEN = 1001, 1002


@pytest.fixture
async def anna(a: Node) -> Rest:
    async with a.person(ANNA, "Anna") as rest:
        yield rest


async def token_of(rest: Rest) -> str:
    body = {"init_data": rest.headers["X-Telegram-Init-Data"]}
    answer = await rest.post("/api/v1/auth/token", body)
    token: str = answer["access_token"]
    return token


async def test_a_revoked_session_is_refused_and_hung_up_elsewhere(
    a: Node, b: Node, anna: Rest
) -> None:
    kept, gone = await token_of(anna), await token_of(anna)
    newest = (await anna.get("/api/v1/auth/sessions"))[0]
    headers = {"Authorization": f"Bearer {gone}"}
    async with (
        b.person(BEN, "Ben") as other,
        b.socket(f"?token={gone}") as closing,
        b.socket(f"?token={kept}") as staying,
    ):
        await closing.event("connection_established")
        await staying.event("connection_established")
        assert (await other.http.get("/api/v1/me", headers=headers)).status_code == 200
        await anna.delete(f"/api/v1/auth/sessions/{newest['id']}")
        assert (await closing.wait_closed()).code == 4009
        answer = await other.http.get("/api/v1/me", headers=headers)
        assert answer.json()["code"] == "token_invalid"
        await staying.send("ping")
        await staying.event("pong")


async def test_a_lost_revocation_is_found(a: Node, b: Node, anna: Rest) -> None:
    gone = await token_of(anna)
    async with b.socket(f"?token={gone}") as closing:
        await closing.event("connection_established")
        assert a.services.bus is not None
        a.services.bus.publish = lambda topic, payload: False  # type: ignore[method-assign]
        await anna.delete("/api/v1/auth/sessions")
        await b.services.revocations.look()
        assert (await closing.wait_closed()).code == 4009
        assert b.services.revocations.statistics().found == 1


async def test_a_changed_person_is_seen_elsewhere(a: Node, b: Node, anna: Rest) -> None:
    async with b.person(ANNA, "Anna") as at_b:
        at_b.headers = {"X-Telegram-Init-Data": init_data(ANNA, "Anna")}
        before = await at_b.get("/api/v1/me")
        assert before["bio"] is None
        await anna.put("/api/v1/me", {"bio": "here"})
        while (await at_b.get("/api/v1/me"))["bio"] != "here":
            pass
