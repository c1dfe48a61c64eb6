"""The operators' endpoints over a real port: who gets in, what they see, what they do."""

from __future__ import annotations

from typing import Any

import httpx
import trio

from aeon.limits import Kind, Limiter, Rate
from aeon.services import Services
from tests.e2e.operators.conftest import ADMIN_ID, ADMIN_TOKEN, Blockade
from tests.helpers.clients import Rest, Server

ANNA, BORIS = 1001, 1002
ADMIN = "/api/v1/admin"
TITLE, TEXT, NAME = "Secret-plans-title", "Meet-me-at-dawn-text", "Annabella-the-name"


class Operator:
    """Whoever holds the admin token."""

    def __init__(self, http: httpx.AsyncClient, token: str = ADMIN_TOKEN) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(f"{ADMIN}{path}", headers=self.headers, params=query)

    async def post(self, path: str) -> httpx.Response:
        return await self.http.post(f"{ADMIN}{path}", headers=self.headers)

    async def see(self, path: str, **query: Any) -> Any:
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_a_stuck_actor_is_found_understood_and_freed(
    server: Server, blockade: Blockade
) -> None:
    async with server.person(BORIS), server.person(ANNA) as anna, trio.open_nursery() as nursery:
        operator = Operator(anna.http)
        stuck_chat = await anna.create_group(BORIS, title="Stuck")
        other_chat = await anna.create_group(BORIS, title="Other")
        blockade.chats.add(stuck_chat)
        answers: list[httpx.Response] = []

        async def send() -> None:
            body = {"chat_id": stuck_chat, "text": TEXT}
            answers.append(await anna.request("POST", "/api/v1/messages/", json=body))

        nursery.start_soon(send)
        await blockade.caught.wait()

        page = await operator.see("/actors", sort="current", limit=1)
        assert page["actors"][0]["address"] == f"chat/{stuck_chat}"
        assert page["actors"][0]["current_message"] == "SendMessage"
        opened = await operator.see(f"/actors/chat/{stuck_chat}")
        assert opened["state"] == "busy"
        assert (opened["inspected"], opened["inspection_error"]) == (None, "timeout")
        functions = [frame["function"] for frame in opened["stack"]]
        assert "Blockade.append" in functions, functions
        assert "actors/chat/actor.py" in {frame["file"] for frame in opened["stack"]}
        assert (await anna.send(other_chat, "Others are served"))["chat_id"] == other_chat

        blockade.chats.clear()
        answer = await operator.post(f"/actors/chat/{stuck_chat}/restart")
        assert answer.json() == {
            "address": f"chat/{stuck_chat}",
            "action": "restart",
            "accepted": True,
        }
        assert (await anna.send(stuck_chat, "Back again"))["chat_id"] == stuck_chat
        assert answers[0].json()["code"] == "outcome_unknown"
        freed = await operator.see(f"/actors/chat/{stuck_chat}")
        assert freed["restarts"] == 1
        assert freed["inspected"]["members"] == 2
        sends = [one["outcome"] for one in freed["recent"] if one["message"] == "SendMessage"]
        assert sends == ["handled", "cut_off"], "apart from the news of what was committed"


async def test_stop_and_passivate(server: Server) -> None:
    async with server.person(ANNA) as anna:
        operator = Operator(anna.http)
        first = await anna.create_group(title="First")
        second = await anna.create_group(title="Second")
        for chat_id, action in ((first, "stop"), (second, "passivate")):
            path = f"/actors/chat/{chat_id}"
            assert (await operator.get(path)).status_code == 200
            assert (await operator.post(f"{path}/{action}")).status_code == 200
            gone = await operator.get(path)
            assert (gone.status_code, gone.json()["code"]) == (404, "actor_not_found")
            await anna.send(chat_id, "It starts again by itself")


async def test_nothing_that_people_wrote_is_shown(server: Server, services: Services) -> None:
    async with server.person(ANNA, NAME, username="annabella") as anna:
        operator = Operator(anna.http)
        chat_id = await anna.create_group(title=TITLE)
        async with server.connected(ANNA, NAME) as socket:
            await socket.command("send_message", chat_id=chat_id, text=TEXT)
            await socket.send("typing", chat_id=chat_id, is_typing=True)
            seen = [
                await operator.get("/actors", sort="address"),
                await operator.get(f"/actors/chat/{chat_id}"),
                await operator.get(f"/actors/user/{ANNA}"),
                await operator.get("/tree"),
                await operator.get("/dead-letters"),
                await operator.get("/sessions"),
                await operator.get("/system"),
                await operator.get("/audit"),
            ]
        assert [one.status_code for one in seen] == [200] * len(seen)
        text = "".join(one.text for one in seen).lower()
        for private in (TITLE, TEXT, NAME, "annabella", ADMIN_TOKEN):
            assert private.lower() not in text
        sessions = seen[5].json()
        assert sessions["total"] == 1
        assert sessions["sessions"][0]["user_id"] == ANNA
        assert sessions["sessions"][0]["frames_sent"] > 0
        assert all(one.headers["Cache-Control"] == "no-store" for one in seen)


async def test_who_gets_in_and_is_written_down(server: Server, services: Services) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(ADMIN_ID) as admin,
    ):
        nobody = Rest(anna.http, "", 0)
        expected = {
            "nobody": (await nobody.request("GET", f"{ADMIN}/system"), 401, "init_data_missing"),
            "stranger": (await anna.request("GET", f"{ADMIN}/system"), 403, "not_allowed"),
            "guesser": (
                await Operator(anna.http, token="x" * 20).get("/system"),
                401,
                "token_invalid",
            ),
        }
        for who, (answer, status, code) in expected.items():
            assert (answer.status_code, answer.json()["code"]) == (status, code), who
        # Made an administrator by another one, but not named in the settings.
        async with services.database.connection() as conn:
            await conn.execute(f"UPDATE users SET is_admin = true WHERE id = {ANNA}")
        services.logins.forget(ANNA)
        users = await anna.request("GET", f"{ADMIN}/users")
        assert users.status_code == 200
        assert (await anna.request("GET", f"{ADMIN}/system")).status_code == 403
        assert (await admin.request("GET", f"{ADMIN}/system")).status_code == 200
        token = await admin.post("/api/v1/auth/token", {"init_data": admin.headers.popitem()[1]})
        bearer = Operator(admin.http, token["access_token"])
        assert (await bearer.get("/tree")).status_code == 200
        assert (await bearer.post("/actors/chat/7/stop")).status_code == 404

        trail = await Operator(anna.http).see("/audit")
        assert trail["is_complete"] is True
        found = [
            (one["who"], one["action"], one["target"], one["outcome"]) for one in trail["entries"]
        ]
        assert found == [
            (f"user:{ADMIN_ID}", "stop_actor", "chat/7", "actor_not_found"),
            (f"user:{ADMIN_ID}", "show_tree", None, "ok"),
            (f"user:{ADMIN_ID}", "show_system", None, "ok"),
            # The second refusal within a minute is counted in the next.
            ("nobody", "show_system", None, "token_invalid"),
            (f"user:{ANNA}", "show_system", None, "not_allowed"),
            ("nobody", "show_system", None, "init_data_missing"),
        ]
        assert all(one["request_id"] for one in trail["entries"])


WRONG: list[tuple[str, dict[str, str], str]] = [
    ("/actors", {"kind": "chair"}, "kind"),
    ("/actors", {"parent": "chair"}, "parent"),
    ("/actors", {"sort": "colour"}, "sort"),
    ("/actors", {"state": "asleep"}, "state"),
    ("/actors", {"limit": "0"}, "limit"),
    ("/actors", {"limit": "501"}, "limit"),
    ("/actors", {"offset": "-1"}, "offset"),
    ("/actors", {"q": "x" * 65}, "q"),
    ("/sessions", {"user_id": "me"}, "user_id"),
    ("/audit", {"limit": "many"}, "limit"),
]


async def test_wrong_questions_name_the_field(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for path, query, field in WRONG:
            answer = await Operator(anna.http).get(path, **query)
            assert answer.status_code == 422, (path, query)
            assert answer.json()["details"][0]["field"] == field


async def test_things_that_are_not_there(server: Server) -> None:
    async with server.person(ANNA) as anna:
        operator = Operator(anna.http)
        assert (await operator.see("/actors", q="no such address"))["actors"] == []
        assert (await operator.see("/actors", offset=1000))["actors"] == []
        for path, field in (
            ("/actors/chair/1", "kind"),
            ("/actors/chat/999", "key"),
            ("/actors/chat/abc", "key"),
            (f"/actors/chat/{'9' * 5000}", "key"),
        ):
            for answer in (await operator.get(path), await operator.post(f"{path}/restart")):
                assert answer.status_code == 404, path
                assert answer.json()["code"] == "actor_not_found"
                assert answer.json()["details"][0]["field"] == field
        assert (await operator.post("/actors/chat/1/explode")).status_code == 404


async def test_guessing_is_limited(services: Services, server: Server) -> None:
    async with server.person(ANNA) as anna:
        rates = {kind: Rate(burst=5, per_second=0.001) for kind in Kind}
        object.__setattr__(services, "limiter", Limiter(rates))
        settings = services.settings.model_copy(update={"rate_limits": "on"})
        object.__setattr__(services, "settings", settings)
        guesser = Operator(anna.http, token="y" * 20)
        codes = [(await guesser.get("/system")).status_code for _ in range(8)]
        assert codes == [401] * 5 + [429] * 3
        assert (await Operator(anna.http).get("/system")).status_code == 429
        found = services.audit.statistics()
        assert (found.noted, found.repeated) == (1, 4), "a flood would fill the trail"
