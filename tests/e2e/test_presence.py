"""What is told and never stored: who is there, and who is typing."""

from tests.helpers.clients import Server

ANNA, BORIS, CLARA = 1001, 1002, 1003


async def test_those_who_share_a_chat_see_each_other_come_and_go(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        await anna.create_group(BORIS)
        async with (
            server.connected(ANNA) as socket,
            server.connected(CLARA, "Clara") as stranger,
        ):
            async with server.connected(BORIS, "Boris"):
                online = await socket.event("user_status", user_id=BORIS)
            offline = await socket.event("user_status", user_id=BORIS, is_online=False)
            await stranger.command("ping")

    assert online["is_online"] is True
    assert "seq" not in online
    assert offline["last_seen_at"].endswith("Z")
    assert [frame for frame in stranger.frames if frame["type"] == "user_status"] == []


async def test_who_was_there_before_is_asked_for_by_members_only(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris"),
        server.person(CLARA, "Clara") as stranger,
    ):
        chat_id = await anna.create_group(BORIS)
        path = f"/api/v1/chats/{chat_id}/online"
        nobody = await anna.get(path)
        async with server.connected(BORIS, "Boris"), server.connected(CLARA, "Clara"):
            there = await anna.get(path)
        refused = await stranger.request("GET", path)

    assert (nobody["online"], there["online"]) == ([], [BORIS])
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_member")


async def test_who_hides_when_they_were_seen_comes_and_goes_unseen(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
        server.person(CLARA, "Clara"),
    ):
        await anna.create_group(BORIS, CLARA)
        await boris.put("/api/v1/me", {"privacy": {"show_last_seen": False}})
        async with server.connected(ANNA) as socket:
            async with server.connected(CLARA, "Clara"):
                await socket.event("user_status", user_id=CLARA)
                async with server.connected(BORIS, "Boris") as hidden:
                    await hidden.command("ping")
            # What is announced later was noted later.
            await socket.event("user_status", user_id=CLARA, is_online=False)

    seen = [frame["user_id"] for frame in socket.frames if frame["type"] == "user_status"]
    assert set(seen) == {CLARA}


async def test_typing_reaches_the_others_only(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris"),
        server.connected(ANNA) as typist,
        server.connected(BORIS, "Boris") as reader,
    ):
        chat_id = await anna.create_group(BORIS)
        ack = await typist.command("typing", chat_id=chat_id, is_typing=True)
        begun = await reader.event("typing", is_typing=True)
        await typist.command("typing", chat_id=chat_id, is_typing=False)
        await reader.event("typing", is_typing=False)
        refused = await typist.command("typing", chat_id=999_999, is_typing=True)

    assert ack["type"] == "ack"
    assert (begun["chat_id"], begun["user_id"]) == (chat_id, ANNA)
    assert refused["code"] == "not_a_member"
    assert [frame for frame in typist.frames if frame["type"] == "typing"] == []
