"""What all answers have in common: CORS, slashes, errors, request ids, revalidation."""

import re

import httpx
import pytest

from aeon.api.openapi import describe_api
from aeon.api.routes import ROUTES
from aeon.app import create_app
from aeon.services import Services
from tests.helpers.clients import Server, ok

ANNA = 1001
FRONT_END = "http://localhost:5173"


async def test_both_forms_of_trailing_slash(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for path in ("/api/v1/chats", "/api/v1/chats/", "/api/v1/me", "/api/v1/me/"):
            assert (await anna.request("GET", path)).status_code == 200
        for path in ("/api/v1/chats", "/api/v1/chats/"):
            created = await anna.post(path, {"title": path, "chat_type": "group"})
            for shown in (f"/api/v1/chats/{created['id']}", f"/api/v1/chats/{created['id']}/"):
                assert (await anna.request("GET", shown)).status_code == 200


PAGES = {
    *("/", "/openapi.json", "/docs", "/redoc", "/favicon.ico", "/static/docs/{name}"),
    *("/ws", "/metrics", "/admin", "/static/admin/{name}"),
}
"""For people, the description itself, and the socket, which has a protocol of its own."""


async def test_every_route_stands_in_the_description(services: Services) -> None:
    described = describe_api(ROUTES, title="Aeon")["paths"]
    for rule in create_app(services).url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        if path in PAGES:
            continue
        asked = (rule.methods or set()) - {"OPTIONS", "HEAD"}
        assert {method.lower() for method in asked} <= described[path].keys(), path


async def test_preflight_of_anything(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for path in ("/api/v1/me", "/api/v1/chats/7/members/8", "/nowhere"):
            answer = await anna.http.options(
                path,
                headers={
                    "Origin": FRONT_END,
                    "Access-Control-Request-Method": "DELETE",
                    "Access-Control-Request-Headers": "x-telegram-init-data",
                },
            )
            assert answer.status_code == 200
            assert answer.json() == {"status": "ok"}
            assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
            assert "x-telegram-init-data" in answer.headers["Access-Control-Allow-Headers"].lower()
            assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
            assert answer.headers["Access-Control-Max-Age"] == "86400"


async def test_errors_carry_cors_headers_too(server: Server) -> None:
    origin = {"Origin": FRONT_END}
    async with server.person(ANNA) as anna:
        answers = [
            await anna.http.get("/api/v1/me", headers=origin),
            await anna.http.get("/nowhere", headers=origin),
            await anna.http.patch("/api/v1/me", headers=origin),
            await anna.request("GET", "/api/v1/chats/999", headers=origin),
            await anna.request("POST", "/api/v1/messages/", content=b"{", headers=origin),
        ]
    assert [answer.status_code for answer in answers] == [401, 404, 405, 403, 422]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
        assert "Origin" in answer.headers["Vary"]
        body = answer.json()
        assert body["status_code"] == answer.status_code
        assert body["error"]
        assert body["code"]


async def test_the_sockets_address_says_what_it_wants(server: Server) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("GET", "/ws")
        after = await anna.request("GET", "/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")
    assert "WebSocket" in answer.json()["error"]
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.headers["Connection"] == "upgrade"
    assert after.status_code == 200

    async with httpx.AsyncClient(base_url=server.url, http1=False, http2=True) as http2:
        answer = await http2.get("/ws")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")
    assert "Upgrade" not in answer.headers


async def test_another_origin_gets_no_permission(server: Server) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("GET", "/api/v1/me", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_request_ids_go_in_and_out(server: Server) -> None:
    async with server.person(ANNA) as anna:
        given = await anna.request("GET", "/api/v1/me", headers={"X-Request-ID": "abc-1"})
        made = await anna.request("GET", "/api/v1/me")
        odd = await anna.request("GET", "/api/v1/me", headers={"X-Request-ID": "a b<c>"})
    assert given.headers["X-Request-ID"] == "abc-1"
    assert made.headers["X-Request-ID"] not in ("", given.headers["X-Request-ID"])
    assert odd.headers["X-Request-ID"] != "a b<c>"


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        (b"", "invalid_field", [""]),
        (b"{", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        (b'"text"', "invalid_field", [""]),
        (b"[]", "invalid_field", [""]),
        (b"{}", "invalid_field", ["chat_id"]),
        (b'{"chat_id":"7","text":"x"}', "invalid_field", ["chat_id"]),
        (b'{"chat_id":true,"text":"x"}', "invalid_field", ["chat_id"]),
        (b'{"chat_id":9007199254740992,"text":"x"}', "invalid_field", ["chat_id"]),
        (b'{"chat_id":7,"text":"x","colour":"red"}', "invalid_field", ["colour"]),
        (b'{"chat_id":7,"text":"a\\u0000b"}', "invalid_field", ["text"]),
        (b'{"chat_id":7,"text":"  "}', "invalid_field", ["text"]),
        (b'{"chat_id":7}', "invalid_field", ["text"]),
        (b'{"chat_id":7,"message_type":"photo"}', "invalid_field", ["media_id"]),
        (b'{"chat_id":7,"message_type":"spell","text":"x"}', "invalid_field", ["message_type"]),
        (b'{"chat_id":7,"text":"x","client_msg_id":""}', "invalid_field", ["client_msg_id"]),
        (
            b'{"chat_id":7,"text":"' + b"x" * 4097 + b'"}',
            "message_too_long",
            ["text"],
        ),
        (b'{"chat_id":0,"text":7}', "invalid_field", ["chat_id", "text"]),
    ],
)
async def test_bad_bodies_name_their_fields(
    server: Server, body: bytes, code: str, fields: list[str] | None
) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("POST", "/api/v1/messages/", content=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == code
    details = answer.json().get("details")
    assert (None if details is None else [one["field"] for one in details]) == fields


async def test_a_body_too_large_is_413(server: Server) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("POST", "/api/v1/messages/", content=b" " * 300_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "9007199254740992", "٣", "1e3"])
async def test_a_path_that_is_no_id(server: Server, text: str) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("GET", f"/api/v1/chats/{text}")
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["details"]] == ["chat_id"]


@pytest.mark.parametrize("name", ["upload-media", "upload-media/", "upload-media-x", "forward"])
async def test_a_message_of_a_name_that_another_method_has(server: Server, name: str) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("PUT", f"/api/v1/messages/{name}", json={"text": "x"})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["details"]] == ["message_id"]


async def test_reads_can_be_revalidated(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        for path in (
            "/api/v1/me",
            "/api/v1/chats/",
            f"/api/v1/chats/{chat_id}",
            f"/api/v1/messages/chat/{chat_id}?page=1&per_page=50",
        ):
            first = await anna.request("GET", path)
            assert first.headers["Cache-Control"] == "private, no-cache"
            same = {"If-None-Match": first.headers["ETag"]}
            second = await anna.request("GET", path, headers=same)
            assert (second.status_code, second.content) == (304, b"")
            assert second.headers["ETag"] == first.headers["ETag"]
        await anna.send(chat_id, "Something new")
        third = await anna.request("GET", path, headers=same)
    assert third.status_code == 200
    assert third.headers["ETag"] != first.headers["ETag"]
    assert [one["text"] for one in third.json()["messages"]] == ["Something new"]


async def test_health_needs_nobody(server: Server) -> None:
    async with server.person(ANNA) as anna:
        health = ok(await anna.http.get("/api/v1/health"))
        ready = ok(await anna.http.get("/api/v1/ready"))
        cors = ok(await anna.http.get("/api/v1/test-cors"))
    assert (health["status"], health["database"]) == ("healthy", "connected")
    assert ready == {"status": "ready"}
    assert (cors["status"], cors["cors_enabled"]) == ("success", True)


async def test_head_is_a_get_without_a_body(server: Server) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.request("HEAD", "/api/v1/me")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_what_the_mini_app_expects_to_be_missing(server: Server) -> None:
    async with server.person(ANNA) as anna:
        assert (await anna.request("GET", "/api/v1/me-dev")).status_code == 404
        assert (await anna.request("GET", "/api/v1/debug/auth")).status_code == 404
