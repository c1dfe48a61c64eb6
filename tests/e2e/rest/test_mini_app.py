"""The Mini App's day, call by call, as two people use it.

It polls and never opens a socket: opening, the 5-, 30- and 120-second timers, sending, retries,
creating a chat with members, the information dialog, and what it does on bad input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from tests.e2e.rest.mini_app import LIST_SECONDS, MiniApp
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.proxy import PostgresProxy
from tests.helpers.telegram import BOT_TOKEN, init_data

ANNA, BORIS = 3_000_000_001, 3_000_000_002
MINUTES = 6


def settings_for(url: str, directory: Path) -> Settings:
    """As a newcomer runs it: with rates."""
    return Settings(
        _env_file=None,
        host="127.0.0.1",
        port=0,
        database_url=url,
        data_dir=directory,
        upload_dir=directory / "uploads",
        telegram_bot_token=BOT_TOKEN,
        secret_key="s" * 48,
    )


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


@asynccontextmanager
async def app(url: str, user_id: int, first_name: str, username: str) -> AsyncIterator[MiniApp]:
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE_SECONDS) as http:
        yield MiniApp(http, init_data(user_id, first_name, username=username))


async def test_a_day_with_the_mini_app(server: Server) -> None:
    async with (
        app(server.url, ANNA, "Anna", "anna_a") as anna,
        app(server.url, BORIS, "", "Boris_B") as boris,
    ):
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


async def test_minute_by_minute(server: Server) -> None:
    """Both apps run their timers for minutes, in a group and in a chat that began empty."""
    async with (
        app(server.url, ANNA, "Anna", "anna_a") as anna,
        app(server.url, BORIS, "Boris", "boris_b") as boris,
    ):
        async with trio.open_nursery() as nursery:
            for person in (anna, boris):
                nursery.start_soon(person.open)
        chat_id = await anna.create("Plans", ids=[BORIS], usernames=["boris_b_unknown"])
        await anna.send(chat_id, "0")
        await boris.list_chats()
        await boris.choose(chat_id)
        # What happens besides the timers, at which second of the app.
        doings = {
            7: lambda: boris.send(chat_id, "1"),
            63: lambda: anna.send(chat_id, "2"),
            66: lambda: boris.send(chat_id, "3"),
            130: lambda: anna.open_profile(),
            181: lambda: anna.send(chat_id, "4"),
            299: lambda: boris.send(chat_id, "5"),
        }
        anna.statuses.clear()
        for second in range(1, MINUTES * 60 + 1):
            async with trio.open_nursery() as nursery:
                for person in (anna, boris):
                    nursery.start_soon(person.pass_second, second)
            if second in doings:
                await doings[second]()

        for person in (anna, boris):
            assert [one["text"] for one in person.shown] == ["0", "1", "2", "3", "4", "5"]
        # About 14.5 calls a minute; hardly any of them brought a body.
        assert 14 * MINUTES <= len(anna.statuses) <= 18 * MINUTES
        assert set(anna.statuses) == {200, 304}
        assert anna.statuses.count(200) <= 20
        # What is polled into the open chat stays unread until it is chosen again.
        await anna.list_chats()
        assert anna.chats[0]["unread_count"] == 3
        await anna.choose(chat_id)
        for second in range(1, LIST_SECONDS + 1):
            await anna.pass_second(second)
        assert anna.chats[0]["unread_count"] == 0


async def test_what_the_apps_ways_do_not_show(server: Server) -> None:
    """Known ways of the app: it only appends, and an empty chat stays empty until reopened."""
    async with (
        app(server.url, ANNA, "Anna", "anna_a") as anna,
        app(server.url, BORIS, "Boris", "boris_b") as boris,
    ):
        await boris.open()
        await anna.open()
        chat_id = await anna.create("Empty", ids=[BORIS], usernames=[])
        await boris.list_chats()
        await boris.choose(chat_id)
        await anna.send(chat_id, "First")
        assert (await boris.poll(chat_id), boris.shown) == (False, [])
        await boris.choose(chat_id)
        assert [one["text"] for one in boris.shown] == ["First"]
        first = boris.shown[0]["id"]
        await anna.call("PUT", f"/messages/{first}", {"text": "Corrected"})
        await anna.send(chat_id, "Second")
        assert await boris.poll(chat_id)
        assert [one["text"] for one in boris.shown] == ["First", "Second"]
        await anna.call("DELETE", f"/messages/{first}")
        await boris.choose(chat_id)
        assert [one["text"] for one in boris.shown] == ["Second"]

        # The info dialog: every change is followed by another look at the chat and the list.
        members = await anna.show_info(chat_id)
        assert [one["telegram_id"] for one in members] == [ANNA, BORIS]
        await anna.call("DELETE", f"/chats/{chat_id}/members/{BORIS}")
        assert [one["telegram_id"] for one in await anna.show_info(chat_id)] == [ANNA]
        await anna.list_chats()
        status = await anna.call(
            "POST", f"/chats/{chat_id}/invite-by-username", {"username": "@BORIS_b"}
        )
        assert status["status"] == "added"
        assert len(await anna.show_info(chat_id)) == 2


async def test_the_picture_that_the_shipped_app_sends_is_refused_as_a_format(
    server: Server,
) -> None:
    async with app(server.url, ANNA, "Anna", "anna_a") as anna:
        await anna.open()
        with pytest.raises(AssertionError, match="422"):
            await anna.call("POST", "/messages/upload-media", {"file": {}})
        # "The chat can be created without a picture."
        await anna.create("Without", ids=[], usernames=[])
        assert anna.chats[0]["photo_url"] is None


async def test_repeats_after_failures(database_url: str, tmp_path: Path) -> None:
    """A creation whose answer was lost, and a list that could not be read, are asked again."""
    async with (
        PostgresProxy.open(database_url) as proxy,
        open_services(settings_for(proxy.url, tmp_path)) as services,
        trio.open_nursery() as nursery,
    ):
        stop = trio.Event()
        listening = await nursery.start(serve_node, services, stop)
        async with app(listening.url, ANNA, "Anna", "anna_a") as anna:
            await anna.open()
            proxy.cut_reply_after = b"COMMIT"
            body = {"title": "Once", "chat_type": "private", "member_ids": []}
            with pytest.raises(AssertionError, match="503"):
                await anna.call("POST", "/chats/", body)
            proxy.cut_reply_after = None
            chat = await anna.repeated("POST", "/chats/", body)
            await anna.list_chats()
            assert [one["id"] for one in anna.chats] == [chat["id"]]
        stop.set()


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
