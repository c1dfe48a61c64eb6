"""Odd values in every field and parameter of every operation: refused by name, never a fault.

``test_description`` makes up what the description allows; here is what people and scripts send.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import orjson
import pytest

from aeon.api.route import Route
from aeon.api.routes import ROUTES
from aeon.config import Settings
from tests.helpers.clients import Rest, Server

ANNA, BORIS, OPERATOR = 1001, 1002, 1003
TEXTS = [
    *("", "\t\r\nX: y", "a\0b", "\ufeff", "\u202e", "İ", "😀" * 300, "a" * 5000, "%00", "null"),
    *("http://[", "//[/media/x", "/media/%00?e=9999999999&s=%ff", "media:abc"),
    *("'; DROP TABLE users; --", "../../etc/passwd"),
]
NUMBERS = [0, -1, 2**53 - 1, 2**53, 2**64, 1.5, 1e308]
OTHERS: list[object] = [None, True, [[]], {"a": 1}]
BROKEN = [b"null", b"[]", b"{" * 2000, b'{"a":1e400}', b'{"\\u0000":1}', b'{"bio":"\\udc00"}']
ENDLESS = {"stream_overview"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"admin_telegram_ids": frozenset({OPERATOR})})


def check(answer: httpx.Response, what: object) -> None:
    assert answer.status_code < 500, (what, answer.text)
    if answer.is_error:
        assert answer.json()["code"] not in ("internal_error", "invalid_data"), (what, answer.text)
    if answer.status_code == 422:
        assert answer.json()["code"] == "invalid_json" or answer.json()["details"], what


async def test_odd_values_in_bodies(server: Server) -> None:
    async with (
        server.person(ANNA, username="anna") as anna,
        server.person(BORIS, "Boris"),
        server.person(OPERATOR) as operator,
    ):
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Hello")
        for route in ROUTES:
            if route.body is None:
                continue
            path = _path(route, chat_id, message["id"])
            who = operator if "/admin/" in path else anna
            for content in (*BROKEN, *_odd_bodies(route, chat_id)):
                check(await who.request(route.method, path, content=content), (path, content[:80]))


def _odd_bodies(route: Route, chat_id: int) -> list[bytes]:
    assert route.body is not None
    example = route.body_example
    assert isinstance(example, dict)
    if "chat_id" in example:
        example = {**example, "chat_id": chat_id}
    bodies: list[bytes] = []
    for name in route.body.model_fields:
        for value in (*TEXTS, *NUMBERS, *OTHERS):
            # orjson writes no numbers of more than 64 bits.
            text = orjson.dumps({**example, name: "?"}).decode()
            written = str(value) if type(value) is int else orjson.dumps(value).decode()
            bodies.append(text.replace('"?"', written).encode())
    return bodies


async def test_odd_values_in_queries(server: Server) -> None:
    async with (
        server.person(ANNA, username="anna") as anna,
        server.person(BORIS, "Boris"),
        server.person(OPERATOR) as operator,
    ):
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Hello")
        good: dict[str, Any] = {"chat_id": chat_id, "message_id": message["id"]}
        for route in ROUTES:
            if route.query is None:
                continue
            path = _path(route, chat_id, message["id"])
            who = operator if "/admin/" in path else anna
            for name in route.query.model_fields:
                for value in (*TEXTS[:9], *map(str, NUMBERS)):
                    query = {**(good if route.name == "forward_message" else {}), name: value}
                    check(await who.request(route.method, path, params=query), (path, query))


async def test_odd_values_in_paths(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(OPERATOR) as operator:
        for route in ROUTES:
            for name in re.findall(r"{(\w+)}", route.path):
                for value in ("%00", "%ff", "%F0%9F%98%80", "..", "1;2", "+1", "1e1", "9" * 5000):
                    await _ask_with(anna, operator, route, name, value)


async def _ask_with(anna: Rest, operator: Rest, route: Route, name: str, value: str) -> None:
    if route.name in ENDLESS:
        return
    path = re.sub(r"{\w+}", "7", route.path.replace(f"{{{name}}}", value))
    who = operator if "/admin/" in path else anna
    check(await who.request(route.method, path), (route.method, path[:100]))


def _path(route: Route, chat_id: int, message_id: int) -> str:
    known = {"chat_id": chat_id, "message_id": message_id, "user_id": BORIS}
    return re.sub(r"{(\w+)}", lambda found: str(known.get(found[1], 7)), route.path)
