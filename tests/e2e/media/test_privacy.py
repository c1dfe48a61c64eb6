"""Who gets a link, and who gets no fresh one."""

from tests.e2e.media.uploading import fetch, upload
from tests.helpers.clients import Server
from tests.helpers.files import picture

ANNA, BORIS = 2501, 2502


async def test_who_left_gets_no_fresh_link(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        await boris.get("/api/v1/me")
        chat_id = await anna.create_group(BORIS)
        file = await upload(anna, picture())
        message = await anna.send(chat_id, "", media_id=file["media_id"])
        page = await boris.get(f"/api/v1/messages/chat/{chat_id}")
        seen = page["messages"][-1]
        assert (await fetch(seen["media_url"])).status_code == 200

        await anna.delete(f"/api/v1/chats/{chat_id}/members/{BORIS}")
        refused = [
            await boris.request("GET", f"/api/v1/messages/chat/{chat_id}"),
            await boris.request("GET", f"/api/v1/chats/{chat_id}/events"),
            await boris.request(
                "POST",
                "/api/v1/messages/forward",
                params={
                    "message_id": message["id"],
                    "chat_id": await boris.create_group(title="Mine"),
                },
            ),
        ]
        # Nor by calling the old link a chat's photo.
        chat = await boris.post(
            "/api/v1/chats/",
            {"title": "Photo", "chat_type": "group", "photo_url": seen["media_url"]},
        )

    assert [response.status_code for response in refused] == [403, 403, 404]
    assert chat["photo_url"] == seen["media_url"]


async def test_a_link_says_nothing_to_who_has_none(server: Server) -> None:
    async with server.person(ANNA) as anna:
        file = await upload(anna, b"content")
        without = await anna.request("GET", f"/media/{file['media_id']}")
        unknown = await anna.request("GET", "/media/nothing.jpg?e=1&s=x")

    assert without.status_code == unknown.status_code == 404
    assert without.json()["code"] == unknown.json()["code"] == "file_not_found"
