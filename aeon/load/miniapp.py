"""The Telegram Mini App as a load: its requests, at its intervals, with what it shows.

Opening it asks for ``/me`` three times at once and the list of chats. With a chat open it polls
page 1 of its messages every 5 seconds, the list every 30, invitations every 120; when a poll
brings something new, it asks for the list as well. The browser revalidates by ``ETag``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import trio

from aeon.load.bodies import client_msg_id, read_body, write_body
from aeon.load.crew import Crew, now_ns
from aeon.load.faults import Refused
from aeon.load.http import BadAnswer, Reply
from aeon.load.pace import wait_until
from aeon.load.plan import PersonPlan
from aeon.load.verdict import Outcome, Send

MESSAGES_SECONDS: Final = 5.0
LIST_SECONDS: Final = 30.0
INVITATIONS_SECONDS: Final = 120.0
_PAGE: Final = 50
_MAX_PAGES: Final = 200


class MiniApp:
    """One phone with one chat open."""

    def __init__(self, crew: Crew, person: PersonPlan, chats: Sequence[int]) -> None:
        self._crew = crew
        self._person = person
        self._chats = chats
        self._open_chat = chats[0]
        self._seen: list[int] = []
        crew.evidence.polls.append((person.user_id, self._open_chat, self._seen))
        self._newest = 0
        self._etags: dict[str, str] = {}
        self._looking = trio.Lock()

    async def open(self) -> None:
        """Open the Mini App, then a chat.

        Raises:
            Refused: the server does not accept who this is.
        """
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(self._get, "me", "/api/v1/me", now_ns())
            reply = await self._get("list", "/api/v1/chats/", now_ns())
        if reply is not None and reply.status == 401:
            raise Refused("The server does not accept these users: is it the right bot token?")
        listed = reply.json() if reply is not None else None
        unread = {chat["id"]: chat["unread_count"] for chat in listed or [] if "id" in chat}
        if unread.get(self._open_chat):
            path = f"/api/v1/messages/chat/{self._open_chat}/read-all"
            await self._request("read", "POST", path, now_ns())
        await self.look()

    async def poll(self, start_ns: int, end_ns: int, phase: float) -> None:
        """Poll until the end; ``phase`` (0..1) says how far into its intervals it begins."""
        async with trio.open_nursery() as nursery:
            for seconds, act in (
                (MESSAGES_SECONDS, self.look),
                (LIST_SECONDS, self._list),
                (INVITATIONS_SECONDS, self._check_invitations),
            ):
                first_ns = start_ns + int(phase * seconds * 1e9)
                nursery.start_soon(_every, seconds, act, first_ns, end_ns)

    async def send(self, due_ns: int) -> None:
        """Send a message into the open chat."""
        crew, run = self._crew, self._crew.plan.run
        key = crew.next_key()
        crew.count("sent")
        crew.time("late", due_ns)
        reply = await self._request(
            "send",
            "POST",
            "/api/v1/messages/",
            due_ns,
            json={
                "chat_id": self._open_chat,
                "text": write_body(run, key, due_ns, crew.plan.text_length),
                "message_type": "text",
                "client_msg_id": client_msg_id(run, key),
            },
        )
        if reply is not None and reply.status == 200:
            crew.count("acked")
            crew.time("ack", due_ns)
            message = reply.json()
            send = Send(key, self._open_chat, Outcome.ACKED, None, message["id"])
        elif reply is not None and 400 <= reply.status < 500:
            send = Send(key, self._open_chat, Outcome.REFUSED)
        else:
            send = Send(key, self._open_chat, Outcome.UNKNOWN)
        crew.note_send(send)

    async def look(self, due_ns: int | None = None) -> None:
        """Ask for page 1 of the open chat; when it is new, for the list as well."""
        async with self._looking:
            path = f"/api/v1/messages/chat/{self._open_chat}?page=1&per_page={_PAGE}"
            reply = await self._get("page", path, due_ns or now_ns())
            if reply is None or reply.status != 200:
                return
            page = reply.json()
            if await self._show(page):
                await self._list()

    async def _show(self, page: dict[str, Any]) -> bool:
        """Append what is new; tells whether anything was."""
        messages = page["messages"]
        number = 1
        while page["has_next"] and page["messages"] and number < _MAX_PAGES:
            if page["messages"][0]["id"] <= self._newest:
                break
            # More came than a page holds. The Mini App would miss it; the verifier must not.
            number += 1
            self._crew.count("pages_behind")
            path = f"/api/v1/messages/chat/{self._open_chat}?page={number}&per_page={_PAGE}"
            reply = await self._get("page", path, now_ns())
            if reply is None or reply.status != 200:
                break
            page = reply.json()
            # What came meanwhile pushed messages on to this page that were on the last one.
            shown = {message["id"] for message in messages}
            messages = [m for m in page["messages"] if m["id"] not in shown] + messages
        new = [message for message in messages if message["id"] > self._newest]
        for message in new:
            body = read_body(self._crew.plan.run, message["text"])
            if body is not None:
                self._seen.append(message["id"])
                self._crew.count("delivered")
                self._crew.time("shown", body.due_ns)
        if messages:
            self._newest = max(self._newest, messages[-1]["id"])
        return bool(new)

    async def _list(self, due_ns: int | None = None) -> None:
        await self._get("list", "/api/v1/chats/", due_ns or now_ns())

    async def _check_invitations(self, due_ns: int) -> None:
        path = "/api/v1/users/check-invitations"
        reply = await self._request("invitations", "POST", path, due_ns)
        if reply is not None and reply.status == 200:
            await self._list()

    async def _get(self, what: str, path: str, due_ns: int) -> Reply | None:
        headers = {"If-None-Match": etag} if (etag := self._etags.get(path)) else {}
        reply = await self._request(what, "GET", path, due_ns, headers=headers)
        if reply is not None and reply.status == 200 and "etag" in reply.headers:
            self._etags[path] = reply.headers["etag"]
        return reply

    async def _request(
        self,
        what: str,
        method: str,
        path: str,
        due_ns: int,
        *,
        headers: dict[str, str] | None = None,
        json: object = None,
    ) -> Reply | None:
        """Send a request; None if it got no answer."""
        crew = self._crew
        try:
            reply = await crew.http.request(
                method,
                path,
                headers={"X-Telegram-Init-Data": self._person.init_data, **(headers or {})},
                json=json,
            )
        except (OSError, BadAnswer) as error:
            crew.note_failure(error)
            return None
        crew.note_success()
        crew.time(f"http.{what}", due_ns)
        crew.count("requests")
        crew.count(f"status.{reply.status}")
        if reply.status >= 400:
            crew.count(f"error.{reply.error_code}")
        return reply


async def _every(
    seconds: float, act: Callable[[int], Awaitable[None]], first_ns: int, end_ns: int
) -> None:
    """Call ``act(due_ns)`` at fixed intervals; a late one is not left out."""
    due_ns = first_ns
    while due_ns < end_ns:
        await wait_until(due_ns)
        await act(due_ns)
        due_ns += int(seconds * 1e9)
