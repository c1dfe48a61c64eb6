"""The Mini App as a client: the state it keeps and the calls it makes, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

LIST_SECONDS, POLL_SECONDS, INVITATIONS_SECONDS = 30, 5, 120
ATTEMPTS = 3
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
    open_chat: int | None = None

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

    async def open_profile(self) -> None:
        """One more question who one is; the first letter of the name is drawn."""
        await self._me()
        assert isinstance(self.user["first_name"], str)

    async def pass_second(self, second: int) -> None:
        """What the timers do in this second since the app was opened."""
        if second % LIST_SECONDS == 0:
            await self.list_chats()
        if self.open_chat is not None and second % POLL_SECONDS == 0:
            await self.poll(self.open_chat)
        if second % INVITATIONS_SECONDS == 0:
            await self.check_invitations()

    async def repeated(self, method: str, path: str, body: Json | None = None) -> Any:
        """The list and the creation are asked again on all but 401 and 403."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.call(method, path, body)
            except AssertionError:
                if attempt == ATTEMPTS or self.statuses[-1] in (401, 403):
                    raise

    async def list_chats(self) -> None:
        """Every 30 seconds, and after anything new."""
        chats = await self.repeated("GET", "/chats/")
        # Empty chats go last, as in the app.
        self.chats = sorted(chats, key=lambda chat: chat["last_message_time"] or "", reverse=True)

    async def choose(self, chat_id: int) -> None:
        await self._load(chat_id)
        item = next(chat for chat in self.chats if chat["id"] == chat_id)
        self.open_chat = chat_id
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

    async def create(self, title: str, *, ids: list[int], usernames: list[str]) -> int:
        """The dialog: create, invite the names one by one, list, open."""
        chat = await self.repeated(
            "POST",
            "/chats/",
            {
                "title": title,
                "chat_type": "group" if ids or usernames else "private",
                "member_ids": ids,
            },
        )
        for username in usernames:
            await self.call(
                "POST", f"/chats/{chat['id']}/invite-by-username", {"username": username}
            )
        await self.list_chats()
        chat_id: int = chat["id"]
        await self.choose(chat_id)
        return chat_id

    async def show_info(self, chat_id: int) -> list[Json]:
        """The information dialog's members."""
        members: list[Json] = (await self.call("GET", f"/chats/{chat_id}"))["members"]
        return members

    async def _load(self, chat_id: int) -> None:
        self.shown = list(await self._page(chat_id))

    async def _page(self, chat_id: int) -> list[Json]:
        page = await self.call("GET", f"/messages/chat/{chat_id}?page=1&per_page=50")
        messages: list[Json] = page["messages"]
        return messages
