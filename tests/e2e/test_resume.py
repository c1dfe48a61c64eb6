"""Catching up: nothing missed, nothing twice, in order; and what can not be replayed is said."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aeon.config import Settings
from storage import chats, event_log
from storage.errors import Unavailable
from storage.ids import ChatId
from tests.helpers.clients import Server

ANNA, BORIS = 1001, 1002


async def test_a_client_that_was_away_gets_what_it_missed(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        first = await anna.send(chat_id, "seen")
        for number in range(5):
            await anna.send(chat_id, f"missed {number}")
        message = await anna.send(chat_id, "typo")
        await anna.put(f"/api/v1/messages/{message['id']}", {"text": "corrected"})
        await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all")

        async with server.connected(BORIS, "Boris") as socket:
            ack = await socket.command("resume", cursors={str(chat_id): first["seq"]})
            await anna.send(chat_id, "live")
            await socket.frame(lambda f: f.get("message", {}).get("text") == "live")

    assert ack["chats"] == {str(chat_id): {"seq": 10, "replayed": 8, "read_seq": 8}}
    assert (ack["resync"], ack["left"]) == ([], [])
    assert [event["seq"] for event in socket.events] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    # A replay shows messages as they are now.
    assert socket.events[5]["message"]["text"] == "corrected"


async def test_with_resume_promised_nothing_durable_comes_before_it(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        async with server.connected(ANNA, query="&resume=1") as socket:
            for number in range(3):
                await anna.send(chat_id, f"{number}")
            await socket.command("ping")
            before = list(socket.events)
            ack = await socket.command("resume", cursors={str(chat_id): 1})
            await anna.send(chat_id, "live")
            await socket.frame(lambda f: f.get("message", {}).get("text") == "live")

    assert before == []
    assert ack["chats"][str(chat_id)]["replayed"] == 3
    assert [event["seq"] for event in socket.events] == [2, 3, 4, 5]


async def test_what_went_live_before_is_not_replayed(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        await anna.send(chat_id, "missed")
        async with server.connected(ANNA) as socket:
            await anna.send(chat_id, "live")
            await socket.event("new_message")
            ack = await socket.command("resume", cursors={str(chat_id): 1})

    assert ack["chats"][str(chat_id)] == {"seq": 3, "replayed": 1, "read_seq": 1}
    assert sorted(event["seq"] for event in socket.events) == [2, 3]


async def test_chats_left_and_chats_not_named(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        kept = await anna.create_group(BORIS, title="Kept")
        left = await anna.create_group(BORIS, title="Left")
        await boris.delete(f"/api/v1/chats/{left}/members/{BORIS}")
        async with server.connected(BORIS, "Boris") as socket:
            ack = await socket.command("resume", cursors={str(left): 1, "999999": 1})

    assert sorted(ack["left"]) == sorted([left, 999_999])
    assert ack["resync"] == [kept]
    assert ack["chats"] == {}


async def test_a_replayed_chat_shows_as_it_is_now(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        chat_id = await anna.create_group(title="Before")
        await anna.put(f"/api/v1/chats/{chat_id}", {"title": "After"})
        await anna.post(f"/api/v1/chats/{chat_id}/members/{BORIS}")
        async with server.connected(BORIS, "Boris", query="&resume=1") as socket:
            await socket.command("resume", cursors={str(chat_id): 0})

    created = socket.events[0]
    assert (created["type"], created["seq"]) == ("chat_created", 1)
    assert (created["chat"]["title"], created["chat"]["last_seq"]) == ("After", 3)
    assert [one["id"] for one in created["chat"]["members"]] == [ANNA, BORIS]


async def test_a_chat_that_was_deleted_meanwhile_is_replayed_to_its_end(server: Server) -> None:
    """Fault: who was away is told that they left the chat, and never that it was deleted."""
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        chat_id = await anna.create_group(BORIS)
        await anna.send(chat_id, "Goodbye")
        await anna.delete(f"/api/v1/chats/{chat_id}")
        async with server.connected(BORIS, "Boris", query="&resume=1") as socket:
            away = await socket.command("resume", cursors={str(chat_id): 1})
            again = await socket.command("resume", cursors={str(chat_id): 3})
            unnamed = await socket.command("resume", cursors={})

    assert [event["type"] for event in socket.events] == ["new_message", "chat_deleted"]
    assert away["chats"][str(chat_id)] == {"seq": 3, "replayed": 2, "read_seq": 1}
    assert again["chats"][str(chat_id)]["replayed"] == 0
    assert away["left"] == again["left"] == unnamed["left"] == []
    assert away["resync"] == unnamed["resync"] == []


async def test_a_cursor_ahead_of_the_log_asks_for_a_resync(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        async with server.connected(ANNA) as socket:
            ack = await socket.command("resume", cursors={str(chat_id): 1000})

    assert ack["resync"] == [chat_id]


class TestSmallLimit:
    """A gap beyond RESUME_MAX_EVENTS is not replayed in part."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"resume_max_events": 3})

    async def test_too_far_behind(self, server: Server) -> None:
        async with server.person(ANNA) as anna:
            chat_id = await anna.create_group()
            for number in range(4):
                await anna.send(chat_id, f"{number}")
            async with server.connected(ANNA) as socket:
                too_far = await socket.command("resume", cursors={str(chat_id): 1})
                near = await socket.command("resume", cursors={str(chat_id): 2})

        assert (too_far["resync"], too_far["chats"]) == ([chat_id], {})
        assert near["chats"] == {str(chat_id): {"seq": 5, "replayed": 3, "read_seq": 1}}

    async def test_it_stays_silent_when_the_client_could_not_be_told(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the client would count what went live in it, and never load what it missed."""
        read = event_log.read_events_for

        async def away(conn: Any, chat_id: ChatId, *args: Any) -> Any:
            if chat_id == other:
                raise Unavailable("away")
            return await read(conn, chat_id, *args)

        async with server.person(ANNA) as anna:
            far, other = [await anna.create_group(title=title) for title in "AB"]
            await anna.send(other, "missed")
            for number in range(4):
                await anna.send(far, f"{number}")
            async with server.connected(ANNA, query="&resume=1") as socket:
                cursors = {str(far): 1, str(other): 1}
                monkeypatch.setattr(event_log, "read_events_for", away)
                failed = await socket.command("resume", cursors=cursors)
                monkeypatch.setattr(event_log, "read_events_for", read)
                await anna.send(far, "in a hole")
                await socket.command("ping")
                silent = list(socket.events)
                told = await socket.command("resume", cursors=cursors)
                await anna.send(far, "live")
                await socket.event("new_message", chat_id=far, seq=7)

        assert (failed["code"], silent, told["resync"]) == ("unavailable", [], [far])


async def test_a_paused_chat_is_silent_until_it_is_joined_and_resumed(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        async with server.connected(ANNA) as socket:
            paused = await socket.command("leave_chat", chat_id=chat_id)
            await anna.send(chat_id, "while paused")
            await socket.command("ping")
            silent = list(socket.events)
            joined = await socket.command("join_chat", chat_id=chat_id)
            await anna.send(chat_id, "live")
            await socket.event("new_message")
            ack = await socket.command("resume", cursors={str(chat_id): paused["seq"]})

    assert (paused["seq"], joined["seq"], silent) == (1, 2, [])
    assert ack["chats"][str(chat_id)]["replayed"] == 1
    assert [event["seq"] for event in socket.events] == [3, 2]


async def test_strangers_learn_nothing_of_a_chat_by_joining_it(server: Server) -> None:
    async with server.person(ANNA) as anna, server.connected(BORIS, "Boris") as socket:
        chat_id = await anna.create_group()
        known = await socket.command("join_chat", chat_id=chat_id)
        unknown = await socket.command("join_chat", chat_id=999_999)

    assert known["code"] == unknown["code"] == "not_a_member"


def after_the_look(
    patch: pytest.MonkeyPatch, name: str, happens: Callable[[], Awaitable[object]]
) -> None:
    """Let something happen between a look into ``chats`` and what is made of it, once."""
    look = getattr(chats, name)

    async def looked_then(*args: Any) -> Any:
        found = await look(*args)
        patch.setattr(chats, name, look)
        await happens()
        return found

    patch.setattr(chats, name, looked_then)


async def test_a_chat_joined_while_a_promised_resume_looks_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went by before the resume is not sent any more, so the client has to load it."""
    async with (
        server.person(ANNA) as anna,
        server.connected(BORIS, "Boris", query="&resume=1") as socket,
    ):
        after_the_look(monkeypatch, "standings_of", lambda: anna.create_group(BORIS))
        ack = await socket.command("resume", cursors={})
        (chat_id,) = ack["resync"]
        await anna.send(chat_id, "live")
        await socket.event("new_message", chat_id=chat_id, seq=2)


async def test_who_is_added_again_while_they_resume_is_not_told_that_they_left(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id, gone = [await anna.create_group(BORIS, title=title) for title in "AB"]
        for chat in (chat_id, gone):
            await boris.delete(f"/api/v1/chats/{chat}/members/{BORIS}")
        async with server.connected(BORIS, "Boris") as socket:
            path = f"/api/v1/chats/{chat_id}/members/{BORIS}"
            after_the_look(monkeypatch, "standings_of", lambda: anna.post(path))
            ack = await socket.command("resume", cursors={str(chat_id): 1, str(gone): 1})

    assert [event["type"] for event in socket.events] == ["member_added"]
    assert (ack["resync"], ack["left"]) == ([chat_id], [gone])


async def test_live_events_go_on_behind_what_join_chat_says(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        async with server.connected(ANNA) as socket:
            await socket.command("leave_chat", chat_id=chat_id)
            after_the_look(monkeypatch, "get_position", lambda: anna.send(chat_id, "slips by"))
            joined = await socket.command("join_chat", chat_id=chat_id)
            await anna.send(chat_id, "live")
            await socket.event("new_message", seq=3)

    assert joined["seq"] == 2


async def test_a_resume_that_failed_leaves_no_hole_and_can_be_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = event_log.read_events_for

    async def away(*_args: object) -> None:
        monkeypatch.setattr(event_log, "read_events_for", read)
        raise Unavailable("away")

    async with server.person(ANNA) as anna:
        first, second = [await anna.create_group(title=title) for title in "AB"]
        for chat_id in (first, second):
            await anna.send(chat_id, "missed")
        async with server.connected(ANNA, query="&resume=1") as socket:
            monkeypatch.setattr(event_log, "read_events_for", away)
            cursors = {str(first): 1, str(second): 1}
            failed = await socket.command("resume", cursors=cursors)
            for chat_id in (first, second):
                await anna.send(chat_id, "meanwhile")
            await socket.command("resume", cursors={str(first): 1})
            await anna.send(second, "live")
            await socket.event("new_message", chat_id=second, seq=4)

    assert (failed["code"], failed["retryable"]) == ("unavailable", True)
    assert [(event["chat_id"], event["seq"]) for event in socket.events] == [
        (first, 2),
        (first, 3),
        (second, 4),  # Not named by the second resume: it is loaded afresh.
    ]
