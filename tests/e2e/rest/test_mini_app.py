"""The Mini App's day, call by call, as two people use it.

It polls and never opens a socket: opening, the 5-, 30- and 120-second timers, sending, retries,
creating a chat with members, the information dialog, and what it does on bad input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.telegram import init_data

ANNA, BORIS = 3_000_000_001, 3_000_000_002
ORIGIN = "https://front.example"
Json = dict[str, Any]


@dataclass
class MiniApp:
    """The state the app keeps, and the calls it makes; ETags as a browser handles them."""

    http: httpx.AsyncClient
    raw: str
    user: Json = field(default_factory=dict)
    chats: list[Json] = field(default_factory=list)
    shown: list[Json] = field(default_factory=list)
    etags: dict[str, tuple[str, Any]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Json | None = None) -> Any:
        headers = {
            "x-telegram-init-data": self.raw,
            "Accept": "application/json, text/plain, */*",
            "Origin": ORIGIN,
        }
        kept = self.etags.get(path) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept[0]
        answer = await self.http.request(method, f"/api/v1{path}", headers=headers, json=body)
        self.statuses.append(answer.status_code)
        if answer.status_code == 304:
            assert kept is not None
            return kept[1]
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        if method == "GET":
            self.etags[path] = answer.headers["ETag"], answer.json()
        return answer.json()

    async def open(self) -> None:
        """Three components ask who one is while the list loads, all at the same time."""
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(self._me)
            nursery.start_soon(self.list_chats)

    async def _me(self) -> None:
        self.user = await self.call("GET", "/me")

    async def list_chats(self) -> None:
        """Every 30 seconds, and after anything new."""
        chats = await self.call("GET", "/chats/")
        # Empty chats go last, as in the app.
        self.chats = sorted(chats, key=lambda chat: chat["last_message_time"] or "", reverse=True)

    async def choose(self, chat_id: int) -> None:
        await self._load(chat_id)
        item = next(chat for chat in self.chats if chat["id"] == chat_id)
        if item["unread_count"] > 0:
            await self.call("POST", f"/messages/chat/{chat_id}/read-all")

    async def poll(self, chat_id: int) -> bool:
        """Every 5 seconds: True when the last message of page 1 is a newer one."""
        page = await self._page(chat_id)
        last_known = self.shown[-1]["id"] if self.shown else 0
        if not page or not last_known or page[-1]["id"] <= last_known:
            return False
        known = {message["id"] for message in self.shown}
        self.shown += [message for message in page if message["id"] not in known]
        await self.list_chats()
        return True

    async def check_invitations(self) -> None:
        """Every 120 seconds: the answer becomes the current user."""
        self.user = await self.call("POST", "/users/check-invitations")
        await self.list_chats()

    async def send(self, chat_id: int, text: str) -> None:
        message = await self.call(
            "POST", "/messages/", {"chat_id": chat_id, "text": text, "message_type": "text"}
        )
        if message["id"] not in {one["id"] for one in self.shown}:
            self.shown.append(message)

    async def _load(self, chat_id: int) -> None:
        self.shown = list(await self._page(chat_id))

    async def _page(self, chat_id: int) -> list[Json]:
        page = await self.call("GET", f"/messages/chat/{chat_id}?page=1&per_page=50")
        messages: list[Json] = page["messages"]
        return messages


async def test_a_day_with_the_mini_app(server: Server) -> None:
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_SECONDS) as http,
        httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_SECONDS) as other_http,
    ):
        anna = MiniApp(http, init_data(ANNA, "Anna", username="anna_a"))
        boris = MiniApp(other_http, init_data(BORIS, "", username="Boris_B"))
        await anna.open()
        assert anna.user["id"] == anna.user["telegram_id"] == ANNA
        assert (anna.user["subordinates"], anna.chats) == ([], [])

        # The create dialog: members typed as names are invited one by one afterwards.
        chat = await anna.call(
            "POST", "/chats/", {"title": "Plans", "chat_type": "group", "member_ids": [777]}
        )
        invited = await anna.call(
            "POST", f"/chats/{chat['id']}/invite-by-username", {"username": "boris_b"}
        )
        assert invited["status"] == "invited"
        await anna.list_chats()
        await anna.choose(chat["id"])
        await anna.send(chat["id"], "Hello, Boris")

        # Boris comes for the first time: he is in the chat already, and what is new is unread.
        await boris.open()
        assert boris.user["first_name"] == ""
        assert boris.chats[0]["last_message"] == "Hello, Boris"
        await anna.send(chat["id"], "Are you there?")
        await boris.list_chats()
        assert [item["unread_count"] for item in boris.chats] == [1]
        await boris.choose(chat["id"])
        await boris.list_chats()
        assert [item["unread_count"] for item in boris.chats] == [0]
        assert boris.shown[0]["sender"]["first_name"] == "Anna"
        assert boris.shown[0]["sender_id"] != boris.user["id"]

        # Polls: nothing new is a 304; something new comes once.
        anna.statuses.clear()
        await anna.poll(chat["id"])
        await anna.poll(chat["id"])
        assert anna.statuses[-1] == 304
        await boris.send(chat["id"], "Hello, Anna")
        assert await anna.poll(chat["id"])
        assert not await anna.poll(chat["id"])
        assert [one["text"] for one in anna.shown] == [
            "Hello, Boris",
            "Are you there?",
            "Hello, Anna",
        ]
        ids = [one["id"] for one in anna.shown]
        assert ids == sorted(ids)
        assert anna.shown[-1]["sender_id"] == boris.user["id"]
        assert anna.shown[0]["read_by"] in ([], [BORIS])
        assert anna.chats[0]["unread_count"] == 1

        # The timer of 120 seconds replaces the current user with the answer.
        before = anna.user
        await anna.check_invitations()
        assert {name: anna.user[name] for name in before} == before
        assert anna.user["accepted"] == 0

        # The information dialog: Telegram ids, adding by id, removing by telegram_id.
        info = await anna.call("GET", f"/chats/{chat['id']}")
        member = next(one for one in info["members"] if not one["is_admin"])
        assert member["telegram_id"] == BORIS
        await anna.call("DELETE", f"/chats/{chat['id']}/members/{member['telegram_id']}")
        await boris.list_chats()
        assert boris.chats == []
        await anna.call("POST", f"/chats/{chat['id']}/members/{BORIS}")
        await boris.list_chats()
        assert [item["id"] for item in boris.chats] == [chat["id"]]


async def test_a_retried_creation_leaves_one_chat(server: Server) -> None:
    """The app repeats POST /chats/ after 1 and 2 seconds on almost any failure."""
    async with server.person(ANNA) as anna:
        body = {"title": "Once", "chat_type": "private", "member_ids": []}
        answers: list[int] = []

        async def create() -> None:
            answers.append((await anna.post("/api/v1/chats/", body))["id"])

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(create)
        assert len(set(answers)) == 1
        assert len(await anna.get("/api/v1/chats/")) == 1


async def test_the_apps_fallback_values_are_nobody(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for raw in ("test_data", "user=%7B%22id%22%3A1%7D&auth_date=1790000000000&hash=fallback"):
            answer = await anna.http.get("/api/v1/me", headers={"x-telegram-init-data": raw})
            assert answer.status_code == 401
