"""Oneself, others, sessions, administrators of the server."""

import time

import trio

from aeon.services import Services
from tests.helpers.clients import Server
from tests.helpers.telegram import init_data

ANNA, BORIS, CLARA = 1001, 1002, 1003


async def test_me_as_the_mini_app_keeps_it(server: Server) -> None:
    async with server.person(2**40 + 7, "Ann\u00e4", username="anna") as anna:
        me = await anna.get("/api/v1/me")
    assert me["id"] == me["telegram_id"] == 2**40 + 7
    assert (me["username"], me["first_name"], me["last_name"]) == ("anna", "Ann\u00e4", None)
    assert (me["language_code"], me["is_premium"], me["is_admin"]) == ("en", False, False)
    assert (me["is_active"], me["subordinates"], me["managers"]) == (True, [], [])
    assert me["created_at"].endswith("Z")


async def test_parallel_first_requests_make_one_person(server: Server) -> None:
    answers: list[int] = []
    async with server.person(ANNA) as anna:
        raw = init_data(BORIS, "Boris", username="boris")

        async def first(path: str) -> None:
            answer = await anna.http.get(path, headers={"X-Telegram-Init-Data": raw})
            answers.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            for path in ("/api/v1/me", "/api/v1/me", "/api/v1/me", "/api/v1/chats/"):
                nursery.start_soon(first, path)
    assert answers == [200] * 4


async def test_a_username_moves_to_another_account(server: Server) -> None:
    async with server.person(ANNA, username="Name"), server.person(BORIS, username="nAME") as boris:
        assert (await boris.get("/api/v1/me"))["username"] == "nAME"


async def test_changing_oneself(server: Server) -> None:
    async with server.person(ANNA) as anna:
        changed = await anna.put("/api/v1/me", {"bio": "Reads a lot"})
        kept = await anna.get("/api/v1/me")
        cleared = await anna.put("/api/v1/me", {"bio": "", "privacy": {"show_last_seen": False}})
        rise = await anna.request("PUT", "/api/v1/me", json={"is_admin": True})
        name = await anna.request("PUT", "/api/v1/me", json={"first_name": "Queen"})
        long = await anna.request("PUT", "/api/v1/me", json={"bio": "x" * 513})
    assert changed["bio"] == kept["bio"] == "Reads a lot"
    assert cleared["bio"] is None
    assert cleared["privacy"] == {"show_last_seen": False, "show_read_receipts": True}
    assert [answer.status_code for answer in (rise, name, long)] == [422, 422, 422]
    assert rise.json()["details"][0]["field"] == "is_admin"


async def test_looking_people_up(server: Server) -> None:
    async with (
        server.person(ANNA, username="anna") as anna,
        server.person(BORIS, "Boris", username="boris") as boris,
        server.person(CLARA, "Clara") as clara,
    ):
        await anna.create_group(BORIS)
        by_id = await boris.get(f"/api/v1/users/{ANNA}")
        by_name = await boris.get("/api/v1/users/lookup", params={"username": "@ANNA"})
        oneself = await clara.get(f"/api/v1/users/{CLARA}")
        stranger = await clara.request("GET", f"/api/v1/users/{ANNA}")
        nobody = await clara.request("GET", "/api/v1/users/999999")
        stranger_by_name = await clara.request(
            "GET", "/api/v1/users/lookup", params={"username": "anna"}
        )
    assert by_id == by_name
    assert (by_id["id"], by_id["first_name"]) == (ANNA, "Anna")
    assert oneself["id"] == CLARA
    assert stranger.json() == nobody.json() == stranger_by_name.json()
    assert stranger.json()["code"] == "user_not_found"


async def test_tokens_work_where_init_data_does(server: Server) -> None:
    async with server.person(ANNA) as anna:
        issued = await anna.http.post(
            "/api/v1/auth/token",
            json={"init_data": anna.headers["X-Telegram-Init-Data"], "device": "Phone"},
        )
        token = issued.json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        me = await anna.http.get("/api/v1/me", headers=bearer)
        (session,) = (await anna.http.get("/api/v1/auth/sessions", headers=bearer)).json()
        async with server.socket(f"?token={token['access_token']}") as socket:
            greeting = await socket.event("connection_established")
            ended = await anna.http.delete(f"/api/v1/auth/sessions/{session['id']}", headers=bearer)
            closed = await socket.wait_closed()
        after = await anna.http.get("/api/v1/me", headers=bearer)
        again = await anna.request("DELETE", f"/api/v1/auth/sessions/{session['id']}")
        left = await anna.get("/api/v1/auth/sessions")

    assert issued.status_code == 200
    assert (token["token_type"], token["expires_in"]) == ("bearer", 3600)
    assert issued.headers["Cache-Control"] == "no-store"
    assert me.json()["id"] == greeting["user_id"] == ANNA
    assert (session["id"], session["device"]) == (token["session_id"], "Phone")
    assert session["is_current"] is True
    assert ended.status_code == 200
    assert closed.code == 4009
    assert (after.status_code, after.json()["code"]) == (401, "token_invalid")
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")
    assert left == []


async def test_ending_all_sessions(server: Server) -> None:
    async with server.person(ANNA) as anna:
        body = {"init_data": anna.headers["X-Telegram-Init-Data"]}
        tokens = [(await anna.http.post("/api/v1/auth/token", json=body)).json() for _ in range(3)]
        answer = await anna.delete("/api/v1/auth/sessions")
        codes = [
            (
                await anna.http.get(
                    "/api/v1/me", headers={"Authorization": f"Bearer {one['access_token']}"}
                )
            ).status_code
            for one in tokens
        ]
    assert answer["revoked"] == 3
    assert codes == [401] * 3


async def test_credentials_that_are_no_good(server: Server) -> None:
    good = init_data(ANNA)
    async with server.person(BORIS) as boris:
        cases = [
            ({}, "init_data_missing"),
            ({"X-Telegram-Init-Data": ""}, "init_data_missing"),
            ({"X-Telegram-Init-Data": "test_data"}, "init_data_invalid"),
            ({"X-Telegram-Init-Data": good + "&hash=" + "0" * 64}, "init_data_invalid"),
            ({"X-Telegram-Init-Data": init_data(ANNA, auth_date=1)}, "init_data_expired"),
            (
                {"X-Telegram-Init-Data": init_data(ANNA, auth_date=int(time.time()) + 999)},
                "init_data_invalid",
            ),
            ({"Authorization": "Bearer"}, "init_data_missing"),
            ({"Authorization": "Basic YTpi"}, "init_data_missing"),
            ({"Authorization": "Bearer nonsense"}, "token_invalid"),
            (
                # Header and payload of a token with the algorithm "none".
                {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."},
                "token_invalid",
            ),
        ]
        for headers, code in cases:
            answer = await boris.http.get("/api/v1/me", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, code), headers
            assert "WWW-Authenticate" in answer.headers
            assert good not in answer.text


async def test_administrators(server: Server, services: Services) -> None:
    async with (
        server.person(ANNA, username="anna") as anna,
        server.person(BORIS, "Boris", username="boris") as boris,
    ):
        path = "/api/v1/admin/users"
        refused = await anna.request("GET", path)
        early = await boris.request(
            "POST", f"{path}/make-admin-by-username", json={"username": "boris"}
        )
        async with services.database.connection() as conn:
            await conn.execute("UPDATE users SET is_admin = true WHERE id = 1001")
        services.logins.forget(anna.user_id)  # type: ignore[arg-type]  # a number
        everybody = await anna.request("GET", path)
        missing = await anna.request("POST", f"{path}/make-admin-by-username")
        unknown = await anna.request("POST", f"{path}/make-admin-by-username?username=nobody")
        await anna.post(f"{path}/make-admin-by-username", {"username": "@Boris"})
        risen = await boris.get("/api/v1/me")
        await boris.post(f"{path}/remove-admin-by-username?username=anna")
        fallen = await anna.request("GET", path)
        chat_id = await anna.create_group()
        content = await boris.request("GET", f"/api/v1/messages/chat/{chat_id}")

    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert early.status_code == 403
    assert [one["id"] for one in everybody.json()] == [ANNA, BORIS]
    assert everybody.headers["X-Total-Count"] == "2"
    assert (missing.status_code, missing.json()["details"][0]["field"]) == (422, "username")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
    assert risen["is_admin"] is True
    assert fallen.status_code == 403
    assert content.status_code == 403
