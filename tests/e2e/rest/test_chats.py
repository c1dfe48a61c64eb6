"""Chats, members and invitations as the Mini App and other clients use them."""

import pytest
import trio

from tests.helpers.clients import Server

ANNA, BORIS, CLARA, DORA = 1001, 1002, 1003, 3_000_000_000


async def test_a_chat_as_the_contract_shows_it(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat = await anna.post(
            "/api/v1/chats/",
            {"title": " Team ", "chat_type": "group", "member_ids": [BORIS, BORIS, ANNA, 999]},
        )
        shown = await boris.get(f"/api/v1/chats/{chat['id']}")
        (item,) = await boris.get("/api/v1/chats/")

    assert shown == chat
    assert chat["title"] == "Team"
    assert chat["created_by"] == ANNA
    assert chat["is_active"] is True
    assert chat["created_at"].endswith("Z")
    assert len(chat["created_at"]) == len("2026-11-23T05:17:06.412466Z")
    people = [
        (one["id"], one["telegram_id"], one["role"], one["is_admin"]) for one in chat["members"]
    ]
    assert people == [(ANNA, ANNA, "owner", True), (BORIS, BORIS, "member", False)]
    assert item == {
        "id": chat["id"],
        "title": "Team",
        "chat_type": "group",
        "photo_url": None,
        "last_message": None,
        "last_message_time": None,
        "unread_count": 0,
        "read_seq": 1,
        "last_seq": 1,
        "members_count": 2,
        "role": "member",
    }


async def test_one_private_chat_for_each_pair(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        made: list[int] = []

        async def create(mine: object, other_id: int) -> None:
            chat = await mine.post("/api/v1/chats/", {"member_ids": [other_id]})  # type: ignore[attr-defined]  # a Rest
            made.append(chat["id"])

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(create, anna, BORIS)
                nursery.start_soon(create, boris, ANNA)
        (chat_id,) = set(made)
        shown = await anna.get(f"/api/v1/chats/{chat_id}")
        third = await anna.request("POST", f"/api/v1/chats/{chat_id}/members/{CLARA}")
        leave = await anna.request("DELETE", f"/api/v1/chats/{chat_id}/members/{ANNA}")
        await boris.delete(f"/api/v1/chats/{chat_id}")
        anew = await anna.post("/api/v1/chats/", {"member_ids": [BORIS]})

    assert {one["role"] for one in shown["members"]} == {"owner"}
    assert third.status_code in (404, 409)
    assert (leave.status_code, leave.json()["code"]) == (403, "not_allowed")
    assert anew["id"] != chat_id


async def test_a_private_chat_of_three_is_refused(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris"),
        server.person(CLARA, "Clara"),
    ):
        answer = await anna.request("POST", "/api/v1/chats/", json={"member_ids": [BORIS, CLARA]})
    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"] == "member_ids"


async def test_notes_become_a_group_when_somebody_is_invited(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris", username="Boris_B") as boris,
    ):
        chat = await anna.post("/api/v1/chats/", {"title": "Plans", "chat_type": "private"})
        answer = await anna.post(
            f"/api/v1/chats/{chat['id']}/invite-by-username", {"username": "@@boris_b"}
        )
        shown = await boris.get(f"/api/v1/chats/{chat['id']}")

    assert answer["status"] == "added"
    assert shown["chat_type"] == "group"
    assert [one["id"] for one in shown["members"]] == [ANNA, BORIS]


async def test_an_invitation_is_redeemed_at_the_first_log_in(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        path = f"/api/v1/chats/{chat_id}/invite-by-username"
        first = await anna.post(path, {"username": "dorad"})
        again = await anna.request("POST", path, json={"username": "@DORAD"})
        async with server.person(DORA, "Dora", username="DoraD") as dora:
            (item,) = await dora.get("/api/v1/chats/")
            checked = await dora.post("/api/v1/users/check-invitations")
        known = await anna.request("POST", path, json={"username": "dorad"})

    assert first["status"] == "invited"
    assert (again.status_code, again.json()["code"]) == (400, "already_invited")
    assert item["id"] == chat_id
    assert (known.status_code, known.json()["code"]) == (400, "already_a_member")
    assert checked["id"] == checked["telegram_id"] == DORA
    assert checked["first_name"] == "Dora"
    assert (checked["accepted"], checked["message"]) == (0, "No new invitations")


async def test_who_is_unknown_is_refused_like_who_is_known(server: Server) -> None:
    """Fault: an invitation that nobody can ever take up is answered with `invited`."""
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris"),
        server.person(CLARA, "Clara", username="clara_c"),
    ):
        pair = await anna.post("/api/v1/chats/", {"chat_type": "private", "member_ids": [BORIS]})
        deleted = await anna.create_group()
        await anna.delete(f"/api/v1/chats/{deleted}")
        answers = {
            chat_id: [
                await anna.request(
                    "POST", f"/api/v1/chats/{chat_id}/invite-by-username", json={"username": name}
                )
                for name in ("clara_c", "not_here_yet")
            ]
            for chat_id in (pair["id"], deleted)
        }

    for known, unknown in answers.values():
        assert (unknown.status_code, unknown.json()) == (known.status_code, known.json())
    assert answers[pair["id"]][1].json()["code"] == "private_chat_full"
    assert answers[deleted][1].json()["code"] == "chat_deleted"


async def test_a_log_in_waits_for_few_of_many_invitations(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: whoever is invited to thousands of chats waits for all of them, and gives up."""
    monkeypatch.setattr("aeon.auth.invitations.MAX_AT_ONCE", 2)
    async with server.person(ANNA) as anna:
        for number in range(5):
            chat_id = await anna.create_group(title=f"Group {number}")
            path = f"/api/v1/chats/{chat_id}/invite-by-username"
            await anna.post(path, {"username": "dorad"})
        async with server.person(DORA, "Dora", username="dorad") as dora:
            counts = [len(await dora.get("/api/v1/chats/"))]
            for _ in range(3):
                await dora.post("/api/v1/users/check-invitations")
                counts.append(len(await dora.get("/api/v1/chats/")))
    assert counts == [2, 4, 5, 5]


async def test_odd_usernames_are_refused(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        for username in ("", "@", "a b", "x" * 65, "a\0", "ä"):
            answer = await anna.request(
                "POST", f"/api/v1/chats/{chat_id}/invite-by-username", json={"username": username}
            )
            assert answer.status_code == 422


async def test_a_clients_retry_of_a_creation_makes_one_chat(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chats = [
            await anna.post("/api/v1/chats/", {"title": "Once", "chat_type": "group"})
            for _ in range(3)
        ]
        listed = await anna.get("/api/v1/chats/")
    assert len({chat["id"] for chat in chats}) == 1
    assert len(listed) == 1


async def test_changing_a_chat(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        path = f"/api/v1/chats/{chat_id}"
        changed = await anna.put(
            path, {"title": "New", "description": "About", "photo_url": "https://a.example/p.png"}
        )
        cleared = await anna.put(path, {"title": None, "description": "", "photo_url": ""})
        same = await anna.put(path, {})
        untitled = await anna.request("PUT", path, json={"title": " "})
        script = await anna.request("PUT", path, json={"photo_url": "javascript:alert(1)"})
        foreign = await boris.request("PUT", path, json={"title": "Mine"})

    assert (changed["title"], changed["description"]) == ("New", "About")
    assert changed["updated_at"] is not None
    assert (cleared["title"], cleared["description"], cleared["photo_url"]) == ("New", None, None)
    assert same["title"] == "New"
    assert (untitled.status_code, untitled.json()["details"][0]["field"]) == (422, "title")
    assert (script.status_code, script.json()["details"][0]["field"]) == (422, "photo_url")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not_allowed")


async def test_deleting_a_chat(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Last words")
        path = f"/api/v1/chats/{chat_id}"
        foreign = await boris.request("DELETE", path)
        await anna.delete(path)
        await anna.delete(path)
        shown = await boris.get(path)
        listed = await boris.get("/api/v1/chats/")
        late = [
            await boris.request(
                "POST", "/api/v1/messages/", json={"chat_id": chat_id, "text": "Late"}
            ),
            await anna.request("PUT", path, json={"title": "Late"}),
            await anna.request("PUT", f"/api/v1/messages/{message['id']}", json={"text": "Late"}),
            await anna.request("POST", f"{path}/members/{CLARA}"),
        ]

    assert (foreign.status_code, foreign.json()["code"]) == (404, "chat_not_found")
    assert shown["is_active"] is False
    assert listed == []
    assert {(one.status_code, one.json()["code"]) for one in late} == {(404, "chat_deleted")}


async def test_roles_and_handing_over(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
        server.person(CLARA, "Clara"),
    ):
        chat_id = await anna.create_group(BORIS, CLARA)
        members = f"/api/v1/chats/{chat_id}/members"
        await anna.put(f"{members}/{BORIS}", {"role": "admin"})
        by_admin = await boris.request("PUT", f"{members}/{CLARA}", json={"role": "admin"})
        at_owner = await boris.request("DELETE", f"{members}/{ANNA}")
        too_early = await anna.request("DELETE", f"{members}/{ANNA}")
        await anna.put(f"{members}/{BORIS}", {"role": "owner"})
        shown = await anna.get(f"/api/v1/chats/{chat_id}")
        await anna.delete(f"{members}/{ANNA}")
        gone = await anna.request("GET", f"/api/v1/chats/{chat_id}")
        unknown = await boris.request("DELETE", f"{members}/{ANNA}")

    assert (by_admin.status_code, by_admin.json()["code"]) == (403, "not_allowed")
    assert (at_owner.status_code, at_owner.json()["code"]) == (403, "not_allowed")
    assert (too_early.status_code, too_early.json()["code"]) == (409, "owner_must_transfer")
    assert {one["id"]: one["role"] for one in shown["members"]} == {
        ANNA: "admin",
        BORIS: "owner",
        CLARA: "member",
    }
    assert (gone.status_code, gone.json()["code"]) == (403, "not_a_member")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "member_not_found")


async def test_only_admins_post_in_a_channel(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat = await anna.post(
            "/api/v1/chats/", {"title": "News", "chat_type": "channel", "member_ids": [BORIS]}
        )
        await anna.send(chat["id"], "News")
        refused = await boris.request(
            "POST", "/api/v1/messages/", json={"chat_id": chat["id"], "text": "Hi"}
        )
        page = await boris.get(f"/api/v1/messages/chat/{chat['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert [one["text"] for one in page["messages"]] == ["News"]


async def test_adding_by_telegram_id(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        path = f"/api/v1/chats/{chat_id}/members/{DORA}"
        unknown = await anna.request("POST", path)
        async with server.person(DORA, "Dora") as dora:
            await anna.post(path)
            twice = await anna.request("POST", path)
            await anna.delete(path)
            removed = await dora.request("GET", f"/api/v1/chats/{chat_id}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
    assert (twice.status_code, twice.json()["code"]) == (400, "already_a_member")
    assert removed.status_code == 403


async def test_catching_up_over_rest(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        for number in range(5):
            await anna.send(chat_id, f"m{number}")
        path = f"/api/v1/chats/{chat_id}/events"
        first = await anna.get(path, params={"after": 1, "limit": 3})
        rest = await anna.get(path, params={"after": 4})
        beyond = await anna.request("GET", path, params={"after": 999})
    assert [one["seq"] for one in first["events"]] == [2, 3, 4]
    assert first["events"][0]["type"] == "new_message"
    assert (first["last_seq"], first["has_more"]) == (6, True)
    assert [one["seq"] for one in rest["events"]] == [5, 6]
    assert rest["has_more"] is False
    assert (beyond.status_code, beyond.json()["code"]) == (410, "too_far")
