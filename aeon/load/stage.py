"""Sets the stage over REST: logs people in, makes their chats, reads them back, clears up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import trio

from aeon.load.endpoint import Endpoint
from aeon.load.faults import Refused, ServerGone, UsageFault
from aeon.load.http import BadAnswer, HttpClient, Reply
from aeon.load.plan import ChatPlan, PersonPlan
from aeon.telegram.init_data import sign

MEMBERS_PER_REQUEST: Final = 200
_AT_ONCE: Final = 8
_MESSAGES_PER_PAGE: Final = 100
_EVENTS_PER_PAGE: Final = 100

Json = dict[str, Any]


class Stage:
    """The server as the parent process uses it, before and after the load."""

    def __init__(self, endpoint: Endpoint, http: HttpClient, run: str) -> None:
        self._endpoint = endpoint
        self._run = run
        self._http = http
        self._init_data: dict[int, str] = {}

    async def check_server(self) -> None:
        """See that an Aeon answers.

        Raises:
            UsageFault: nobody does, or something else.
        """
        url = self._endpoint.url
        try:
            reply = await self._http.request("GET", "/api/v1/health")
        except OSError as error:
            raise UsageFault(f"Nothing answers at {url} ({error.strerror or error})") from None
        except BadAnswer as error:
            raise UsageFault(f"What answers at {url} does not speak HTTP: {error}") from None
        health = reply.json()
        if not isinstance(health, dict) or "status" not in health:
            raise UsageFault(f"What answers at {url} is not Aeon: /api/v1/health is {reply.status}")

    async def log_in(self, bot_token: str, user_ids: Sequence[int]) -> list[PersonPlan]:
        """Sign everybody's init data and let the server get to know them.

        Raises:
            UsageFault: the server does not accept the signature.
        """
        people = []
        for number, user_id in enumerate(user_ids):
            user = {"id": user_id, "first_name": f"Load {number}"}
            init_data = sign(bot_token, user=user, auth_date=int(time.time()))
            self._init_data[user_id] = init_data
            people.append(PersonPlan(user_id, init_data))
        await self._check_token(user_ids[0])
        await _for_each(user_ids[1:], self._log_in_one)
        return people

    async def _check_token(self, user_id: int) -> None:
        reply = await self.request(user_id, "GET", "/api/v1/me")
        if reply.status == 401:
            raise UsageFault(
                f"The server at {self._endpoint.url} does not accept the bot token"
                f" ({reply.error_code}): give --bot-token the one it runs with"
            )
        _expect_ok(reply, "logging in")

    async def _log_in_one(self, user_id: int) -> None:
        _expect_ok(await self.request(user_id, "GET", "/api/v1/me"), "logging in")

    async def make_chats(self, groups: Sequence[Sequence[int]]) -> list[ChatPlan]:
        """Make a chat for each group; its first member owns it."""
        chats: dict[int, ChatPlan] = {}

        async def make(number: int) -> None:
            chats[number] = await self._make_chat(f"Load {self._run} {number}", groups[number])

        await _for_each(range(len(groups)), make)
        return [chats[number] for number in range(len(groups))]

    async def _make_chat(self, title: str, members: Sequence[int]) -> ChatPlan:
        owner, others = members[0], members[1:]
        at_once, later = others[:MEMBERS_PER_REQUEST], others[MEMBERS_PER_REQUEST:]
        body = {"title": title, "chat_type": "group", "member_ids": list(at_once)}
        reply = await self.request(owner, "POST", "/api/v1/chats/", json=body)
        chat = _expect_ok(reply, "making a chat")
        chat_id = int(chat["id"])
        for user_id in later:
            path = f"/api/v1/chats/{chat_id}/members/{user_id}"
            _expect_ok(await self.request(owner, "POST", path), "adding a member")
        if len(chat["members"]) + len(later) != len(members):
            raise Refused(
                f"The server put {len(chat['members']) + len(later)} instead of"
                f" {len(members)} people into a chat"
            )
        return ChatPlan(chat_id, await self._last_seq(owner, chat_id), tuple(members))

    async def _last_seq(self, user_id: int, chat_id: int) -> int:
        path = f"/api/v1/chats/{chat_id}/events?after=0&limit=1"
        reply = await self.request(user_id, "GET", path)
        return int(_expect_ok(reply, "reading the event log")["last_seq"])

    async def delete_chats(self, chats: Sequence[ChatPlan]) -> None:
        """Delete the run's chats; what can not be deleted stays."""

        async def delete(chat: ChatPlan) -> None:
            await self.request(chat.members[0], "DELETE", f"/api/v1/chats/{chat.chat_id}")

        await _for_each(chats, delete)

    async def read_events(self, user_id: int, chat_id: int) -> list[Json]:
        """Read a chat's whole event log."""
        events: list[Json] = []
        after = 0
        while True:
            path = f"/api/v1/chats/{chat_id}/events?after={after}&limit={_EVENTS_PER_PAGE}"
            page = _expect_ok(await self.request(user_id, "GET", path), "reading the event log")
            events += page["events"]
            if not page["has_more"] or not page["events"]:
                return events
            after = page["events"][-1]["seq"]

    async def read_history(self, user_id: int, chat_id: int) -> list[Json]:
        """Read a chat's whole history, oldest first; nobody may write meanwhile."""
        pages: list[list[Json]] = []
        number = 1
        while True:
            path = f"/api/v1/messages/chat/{chat_id}?page={number}&per_page={_MESSAGES_PER_PAGE}"
            page = _expect_ok(await self.request(user_id, "GET", path), "reading history")
            pages.append(page["messages"])
            if not page["has_next"]:
                return [message for messages in reversed(pages) for message in messages]
            number += 1

    async def request(self, user_id: int, method: str, path: str, *, json: object = None) -> Reply:
        """Send a request as one of the run's people.

        Raises:
            ServerGone: no answer came.
        """
        headers = {"X-Telegram-Init-Data": self._init_data[user_id]}
        try:
            return await self._http.request(method, path, headers=headers, json=json)
        except (OSError, BadAnswer) as error:
            raise ServerGone(
                f"The server at {self._endpoint.url} stopped answering: {error}"
            ) from None


def _expect_ok(reply: Reply, doing: str) -> Any:
    if 200 <= reply.status < 300:
        return reply.json()
    advice = ""
    if reply.status == 429:
        advice = "; run the server with RATE_LIMITS=off for load tests"
    raise Refused(f"The server refused {doing}: {reply.status} {reply.error_code}{advice}")


async def _for_each(items: Sequence[Any], act: Any) -> None:
    """Call ``act(item)`` for all, a few at a time; the first fault ends it."""
    limiter = trio.CapacityLimiter(_AT_ONCE)

    async def one(item: Any) -> None:
        async with limiter:
            await act(item)

    async with trio.open_nursery() as nursery:
        for item in items:
            nursery.start_soon(one, item)
