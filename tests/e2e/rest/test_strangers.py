"""A stranger asks about what is there and about what is not, and can't tell which is which.

``test_rights`` asks every operation on a chat and a message; here are the ways around: fields
that name somebody else's things, files, uploads, people, sessions, and the socket's commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.helpers.clients import Json, Rest, Server

OWNER, MEMBER, STRANGER = 1001, 1002, 1003
NOWHERE = {"chat": 888_888, "message": 999_999, "user": 777_777}
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
HIDDEN_HEADERS = {"date", "x-request-id"}


@dataclass(frozen=True, slots=True)
class There:
    """Things of the owner, none of which concern the stranger."""

    chat: int
    message: int
    media: str
    upload: str
    session: str
    own_chat: int
    """The stranger's own."""


@asynccontextmanager
async def world(server: Server) -> AsyncIterator[tuple[Rest, There]]:
    async with (
        server.person(MEMBER, "Member"),
        server.person(OWNER, "Owner", username="owner") as owner,
        server.person(STRANGER, "Stranger") as stranger,
    ):
        chat_id = await owner.create_group(MEMBER)
        media = await owner.request(
            "POST", "/api/v1/messages/upload-media", files={"file": ("a.txt", b"secret", "x/y")}
        )
        media_id = media.json()["media_id"]
        message = await owner.send(chat_id, "Secret", media_id=media_id)
        upload = await owner.request(
            "POST", "/api/v1/uploads", headers={**TUS, "Upload-Length": "9"}
        )
        token = await owner.post(
            "/api/v1/auth/token", {"init_data": owner.headers["X-Telegram-Init-Data"]}
        )
        yield (
            stranger,
            There(
                chat=chat_id,
                message=message["id"],
                media=media_id,
                upload=httpx.URL(upload.headers["Location"]).path.rpartition("/")[2],
                session=token["session_id"],
                own_chat=await stranger.create_group(),
            ),
        )


def same(real: httpx.Response, made_up: httpx.Response, what: object) -> None:
    """Status, body and headers; but for what is different each time."""
    assert real.is_error, (what, real.status_code, real.text)
    assert (real.status_code, real.content) == (made_up.status_code, made_up.content), what
    shown = [
        {name: value for name, value in one.headers.items() if name not in HIDDEN_HEADERS}
        for one in (real, made_up)
    ]
    assert shown[0] == shown[1], what


def questions(there: There) -> list[tuple[str, str, str, Json]]:
    """Method, the path of what is there and of what is not, and how it is asked."""
    chat, message, user = there.chat, there.message, OWNER
    no_chat, no_message, no_user = NOWHERE.values()
    v1 = "/api/v1"
    one = {
        "GET": [
            (f"{v1}/chats/{chat}", f"{v1}/chats/{no_chat}"),
            (f"{v1}/chats/{chat}/events?after=0", f"{v1}/chats/{no_chat}/events?after=0"),
            (f"{v1}/messages/chat/{chat}", f"{v1}/messages/chat/{no_chat}"),
            (
                f"{v1}/messages/chat/{chat}?around_id={message}",
                f"{v1}/messages/chat/{no_chat}?around_id={message}",
            ),
            (f"{v1}/messages/{message}/readers", f"{v1}/messages/{no_message}/readers"),
            (f"{v1}/users/{user}", f"{v1}/users/{no_user}"),
            (f"{v1}/users/lookup?username=owner", f"{v1}/users/lookup?username=nobody_x"),
            (f"/media/{there.media}", "/media/AAAAAAAAAAAAAAAAAAAAAA"),
            (f"/media/{there.media}?e=9999999999&s=AAAA", "/media/AAAA?e=9999999999&s=AAAA"),
            (f"/media/{there.media}/thumbnail.webp", "/media/AAAA/thumbnail.webp"),
            (f"{v1}/uploads/{there.upload}", f"{v1}/uploads/AAAAAAAAAAAAAAAA"),
        ],
        "POST": [
            (f"{v1}/messages/{message}/read", f"{v1}/messages/{no_message}/read"),
            (f"{v1}/messages/chat/{chat}/read-all", f"{v1}/messages/chat/{no_chat}/read-all"),
            *(
                (
                    f"{v1}/messages/forward?message_id={message}&chat_id={target}",
                    f"{v1}/messages/forward?message_id={no_message}&chat_id={target}",
                )
                for target in (there.own_chat, chat, no_chat)
            ),
            (f"{v1}/chats/{chat}/members/{MEMBER}", f"{v1}/chats/{no_chat}/members/{MEMBER}"),
            (f"{v1}/chats/{chat}/members/{no_user}", f"{v1}/chats/{no_chat}/members/{no_user}"),
        ],
        "DELETE": [
            (f"{v1}/chats/{chat}", f"{v1}/chats/{no_chat}"),
            (f"{v1}/messages/{message}", f"{v1}/messages/{no_message}"),
            (f"{v1}/chats/{chat}/members/{MEMBER}", f"{v1}/chats/{no_chat}/members/{MEMBER}"),
            (f"{v1}/chats/{chat}/members/{STRANGER}", f"{v1}/chats/{no_chat}/members/{STRANGER}"),
            (f"{v1}/auth/sessions/{there.session}", f"{v1}/auth/sessions/AAAAAAAAAAAAAAAA"),
        ],
    }
    asked = [
        (method, real, made_up, {}) for method, pairs in one.items() for real, made_up in pairs
    ]
    uploads = (f"{v1}/uploads/{there.upload}", f"{v1}/uploads/AAAAAAAAAAAAAAAA")
    return [
        *asked,
        ("HEAD", *uploads, {"headers": TUS}),
        ("DELETE", *uploads, {"headers": TUS}),
        ("PATCH", *uploads, {"headers": PIECE, "content": b"x"}),
        ("PUT", f"{v1}/chats/{chat}", f"{v1}/chats/{no_chat}", {"json": {"title": "Mine"}}),
        ("PUT", f"{v1}/messages/{message}", f"{v1}/messages/{no_message}", {"json": {"text": "x"}}),
    ]


async def test_paths(server: Server) -> None:
    async with world(server) as (stranger, there):
        for method, real, made_up, how in questions(there):
            answers = [await stranger.request(method, one, **how) for one in (real, made_up)]
            same(*answers, (method, real))


async def test_fields(server: Server) -> None:
    async with world(server) as (stranger, there):
        bodies: list[tuple[str, str, Json, Json]] = [
            (
                "POST",
                "/api/v1/messages/",
                {"chat_id": there.chat, "text": "x"},
                {"chat_id": NOWHERE["chat"], "text": "x"},
            ),
            (
                "POST",
                "/api/v1/messages/",
                {"chat_id": there.own_chat, "text": "x", "reply_to_message_id": there.message},
                {
                    "chat_id": there.own_chat,
                    "text": "x",
                    "reply_to_message_id": NOWHERE["message"],
                },
            ),
            (
                "POST",
                "/api/v1/messages/",
                {"chat_id": there.own_chat, "media_id": there.media},
                {"chat_id": there.own_chat, "media_id": "AAAAAAAAAAAAAAAAAAAAAA"},
            ),
        ]
        for method, path, real, made_up in bodies:
            answers = [await stranger.request(method, path, json=one) for one in (real, made_up)]
            same(*answers, (path, real))


@pytest.mark.parametrize("command", ["history", "writes"])
async def test_commands_of_the_socket(server: Server, command: str) -> None:
    async with world(server) as (_, there), server.connected(STRANGER, "Stranger") as socket:
        for frame_type, real, made_up in _commands(there)[command]:
            replies: list[Json] = []
            for fields in (real, made_up):
                reply = await socket.command(frame_type, **fields)
                replies.append({name: value for name, value in reply.items() if name != "id"})
            assert replies[0] == replies[1], (frame_type, real)
            assert replies[0]["type"] == "error", frame_type
        resumed = await socket.command(
            "resume", cursors={str(there.chat): 0, str(NOWHERE["chat"]): 0}
        )
        assert set(resumed["left"]) == {there.chat, NOWHERE["chat"]}
        assert not any("Secret" in str(frame) for frame in socket.frames)


def _commands(there: There) -> dict[str, list[tuple[str, Json, Json]]]:
    def about(name: str, real: int, **fields: Any) -> tuple[Json, Json]:
        return {name: real, **fields}, {name: NOWHERE[name.removesuffix("_id")], **fields}

    chat, message = there.chat, there.message
    return {
        "history": [
            ("join_chat", *about("chat_id", chat)),
            ("leave_chat", *about("chat_id", chat)),
            ("mark_read", *about("chat_id", chat)),
            ("mark_read", *about("chat_id", chat, message_id=message)),
            ("typing", *about("chat_id", chat, is_typing=True)),
        ],
        "writes": [
            ("send_message", *about("chat_id", chat, text="x")),
            ("edit_message", *about("message_id", message, text="x")),
            ("delete_message", *about("message_id", message)),
            ("forward_message", *about("message_id", message, chat_id=there.own_chat)),
            ("forward_message", *about("message_id", message, chat_id=chat)),
        ],
    }
