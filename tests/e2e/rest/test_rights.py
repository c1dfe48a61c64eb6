"""Who may do what: every operation on a chat, for everybody it could be asked by.

The table is the rights matrix of the API. A stranger and a removed member get the same answer
for a chat that exists as for one that does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from aeon.api.routes import ROUTES
from aeon.config import Settings
from aeon.services import Services
from storage.ids import UserId
from tests.helpers.clients import Rest, Server

OWNER, ADMIN, MEMBER, REMOVED, STRANGER, SERVER_ADMIN, OPERATOR = range(1001, 1008)
WHO = ("nobody", "stranger", "removed", "server_admin", "member", "admin", "owner", "operator")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"admin_telegram_ids": frozenset({OPERATOR})})


@dataclass(frozen=True, slots=True)
class World:
    people: dict[str, Rest]
    chat_id: int
    message_id: int
    """The owner's."""


@dataclass(frozen=True, slots=True)
class Case:
    method: str
    path: str
    expected: dict[str, int]
    body: dict[str, object] | None = None


def _table(*expected: int, operator: int | None = None) -> dict[str, int]:
    """An operator, whom ADMIN_TELEGRAM_IDS names, is an administrator of the server as well."""
    server_admin = expected[WHO.index("server_admin")]
    last = server_admin if operator is None else operator
    return dict(zip(WHO, (*expected, last), strict=True))


def _for_operators(expected: int) -> dict[str, int]:
    return _table(401, 403, 403, 403, 403, 403, 403, operator=expected)


# In the order of WHO: nobody, stranger, removed, server_admin, member, admin, owner.
CASES = [
    Case("GET", "/me", _table(401, 200, 200, 200, 200, 200, 200)),
    Case("PUT", "/me", _table(401, 200, 200, 200, 200, 200, 200), {"bio": "x"}),
    Case("POST", "/users/check-invitations", _table(401, 200, 200, 200, 200, 200, 200)),
    Case("GET", "/users/lookup?username=owner", _table(401, 404, 404, 404, 200, 200, 200)),
    Case("GET", "/users/{owner}", _table(401, 404, 404, 404, 200, 200, 200)),
    Case("POST", "/auth/token", _table(422, 422, 422, 422, 422, 422, 422), {}),
    Case("GET", "/auth/sessions", _table(401, 200, 200, 200, 200, 200, 200)),
    Case("DELETE", "/auth/sessions", _table(401, 200, 200, 200, 200, 200, 200)),
    Case("DELETE", "/auth/sessions/unknown", _table(401, 404, 404, 404, 404, 404, 404)),
    Case("GET", "/admin/users", _table(401, 403, 403, 200, 403, 403, 403)),
    Case(
        "POST",
        "/admin/users/make-admin-by-username",
        _table(401, 403, 403, 404, 403, 403, 403),
        {"username": "nobody_has_it"},
    ),
    Case(
        "POST",
        "/admin/users/remove-admin-by-username",
        _table(401, 403, 403, 404, 403, 403, 403),
        {"username": "nobody_has_it"},
    ),
    Case("GET", "/chats/", _table(401, 200, 200, 200, 200, 200, 200)),
    Case(
        "POST",
        "/chats/",
        _table(401, 200, 200, 200, 200, 200, 200),
        {"title": "T", "chat_type": "group"},
    ),
    Case("GET", "/chats/{chat}", _table(401, 403, 403, 403, 200, 200, 200)),
    Case("GET", "/chats/{chat}/online", _table(401, 403, 403, 403, 200, 200, 200)),
    Case("GET", "/chats/{chat}/events", _table(401, 403, 403, 403, 200, 200, 200)),
    Case("GET", "/messages/chat/{chat}", _table(401, 403, 403, 403, 200, 200, 200)),
    Case(
        "POST",
        "/messages/",
        _table(401, 403, 403, 403, 200, 200, 200),
        {"chat_id": 0, "text": "Hi"},
    ),
    Case(
        "POST",
        "/messages/forward?message_id={message}&chat_id={chat}",
        _table(401, 404, 404, 404, 200, 200, 200),
    ),
    Case(
        "PUT",
        "/messages/{message}",
        _table(401, 404, 404, 404, 404, 404, 200),
        {"text": "Changed"},
    ),
    Case("POST", "/messages/{message}/read", _table(401, 404, 404, 404, 200, 200, 200)),
    Case("GET", "/messages/{message}/readers", _table(401, 404, 404, 404, 200, 200, 200)),
    Case("POST", "/messages/chat/{chat}/read-all", _table(401, 403, 403, 403, 200, 200, 200)),
    Case("PUT", "/chats/{chat}", _table(401, 403, 403, 403, 403, 200, 200), {"title": "Renamed"}),
    # Not found: the person is unknown, but whoever asks may add people.
    Case("POST", "/chats/{chat}/members/999999", _table(401, 403, 403, 403, 403, 404, 404)),
    Case(
        "POST",
        "/chats/{chat}/invite-by-username",
        # The first to be allowed invites, the next is told that it was done already.
        _table(401, 403, 403, 403, 403, 200, 400),
        {"username": "not_here_yet"},
    ),
    Case("DELETE", "/chats/{chat}/members/999999", _table(401, 403, 403, 403, 403, 404, 404)),
    Case(
        "PUT",
        "/chats/{chat}/members/999999",
        _table(401, 403, 403, 403, 403, 403, 404),
        {"role": "admin"},
    ),
    Case("DELETE", "/messages/{message}", _table(401, 404, 404, 404, 404, 200, 404)),
    Case("DELETE", "/chats/{chat}", _table(401, 403, 403, 403, 404, 404, 200)),
    Case("GET", "/admin/actors", _for_operators(200)),
    Case("GET", "/admin/actors/chat/{chat}", _for_operators(200)),
    Case("POST", "/admin/actors/chat/{chat}/restart", _for_operators(200)),
    Case("POST", "/admin/actors/chat/{chat}/stop", _for_operators(200)),
    # It was stopped by then.
    Case("POST", "/admin/actors/chat/{chat}/passivate", _for_operators(404)),
    Case("GET", "/admin/tree", _for_operators(200)),
    Case("GET", "/admin/dead-letters", _for_operators(200)),
    Case("GET", "/admin/sessions", _for_operators(200)),
    Case("GET", "/admin/system", _for_operators(200)),
    Case("GET", "/admin/audit", _for_operators(200)),
    # Admitted, but the test leaves no room for a stream, which would not end.
    Case("GET", "/admin/stream", _for_operators(503)),
    Case("GET", "/health", _table(200, 200, 200, 200, 200, 200, 200)),
    Case("GET", "/ready", _table(200, 200, 200, 200, 200, 200, 200)),
    Case("GET", "/test-cors", _table(200, 200, 200, 200, 200, 200, 200)),
]
OUTSIDERS = ("stranger", "removed", "server_admin")


@asynccontextmanager
async def world(server: Server, services: Services) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        people: dict[str, Rest] = {}
        for name, user_id in {
            "owner": OWNER,
            "admin": ADMIN,
            "member": MEMBER,
            "removed": REMOVED,
            "stranger": STRANGER,
            "server_admin": SERVER_ADMIN,
            "operator": OPERATOR,
        }.items():
            people[name] = await stack.enter_async_context(
                server.person(user_id, name, username=name)
            )
        people["nobody"] = Rest(people["stranger"].http, "", 0)
        async with services.database.connection() as conn:
            await conn.execute("UPDATE users SET is_admin = true WHERE username = 'server_admin'")
        services.logins.forget(UserId(SERVER_ADMIN))
        owner = people["owner"]
        chat_id = await owner.create_group(ADMIN, MEMBER, REMOVED)
        await owner.put(f"/api/v1/chats/{chat_id}/members/{ADMIN}", {"role": "admin"})
        message = await owner.send(chat_id, "Owner's")
        await owner.delete(f"/api/v1/chats/{chat_id}/members/{REMOVED}")
        yield World(people, chat_id, message["id"])


async def ask(world: World, case: Case, who: str, chat_id: int, message_id: int) -> httpx.Response:
    path = case.path.format(chat=chat_id, message=message_id, owner=OWNER)
    body = case.body
    if body is not None and "chat_id" in body:
        body = {**body, "chat_id": chat_id}
    return await world.people[who].request(case.method, f"/api/v1{path}", json=body)


async def test_the_rights_matrix(server: Server, services: Services) -> None:
    services.streams._max_streams = 0
    async with world(server, services) as there:
        wrong = []
        for case in CASES:
            for who in WHO:
                answer = await ask(there, case, who, there.chat_id, there.message_id)
                if answer.status_code != case.expected[who]:
                    wrong.append((case.method, case.path, who, answer.status_code, answer.text))
    assert wrong == []


async def test_outsiders_can_not_tell_what_exists(server: Server, services: Services) -> None:
    async with world(server, services) as there:
        for case in CASES:
            if "{chat}" not in case.path and "{message}" not in case.path and not case.body:
                continue
            for who in OUTSIDERS:
                real = await ask(there, case, who, there.chat_id, there.message_id)
                made_up = await ask(there, case, who, 888_888, 999_999)
                if case.path == "/chats/":
                    continue
                assert real.status_code == made_up.status_code, (case, who)
                if real.is_error:
                    assert real.json() == made_up.json(), (case, who)


def test_the_matrix_names_every_operation() -> None:
    asked = {(case.method, _pattern(case.path)) for case in CASES}
    asked = {(method, _blank(path)) for method, path in asked}
    listed = {(route.method, _blank(route.path.removeprefix("/api/v1"))) for route in ROUTES}
    elsewhere = {one for one in listed if "media" in one[1] or "upload" in one[1]}
    assert listed - elsewhere == asked


def _pattern(path: str) -> str:
    path = path.replace("999999", "{}").replace("unknown", "{}")
    return path.replace("/actors/chat/", "/actors/{}/").partition("?")[0]


def _blank(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
