"""Two people talk: REST and WebSocket meet in the same chat."""

from tests.helpers.clients import Server

ANNA, BORIS, CLARA = 1001, 1002, 1003


async def test_a_rest_send_reaches_every_socket(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.connected(ANNA) as phone,
        server.connected(ANNA) as laptop,
        server.connected(BORIS, "Boris") as boris,
    ):
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Hello")

        for socket in (phone, laptop, boris):
            event = await socket.event("new_message")
            assert event["message"]["id"] == message["id"]
            assert event["message"]["text"] == "Hello"
            assert event["chat_id"] == chat_id
            assert [event["seq"] for event in socket.events] == [1, 2]


async def test_a_socket_send_is_in_the_history(server: Server) -> None:
    async with server.person(ANNA) as anna, server.connected(ANNA) as socket:
        chat_id = await anna.create_group()
        ack = await socket.command("send_message", chat_id=chat_id, text="By socket")

        page = await anna.get(f"/api/v1/messages/chat/{chat_id}")

    assert ack["type"] == "ack"
    assert ack["duplicate"] is False
    assert [message["text"] for message in page["messages"]] == ["By socket"]
    assert page["messages"][0]["id"] == ack["message"]["id"]


async def test_edits_and_deletions_reach_the_other(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.connected(BORIS, "Boris") as boris,
        server.connected(ANNA) as socket,
    ):
        chat_id = await anna.create_group(BORIS)
        ack = await socket.command("send_message", chat_id=chat_id, text="Frist")
        message_id = ack["message"]["id"]
        edited = await socket.command("edit_message", message_id=message_id, text="First")
        deleted = await socket.command("delete_message", message_id=message_id)

        edit_event = await boris.event("message_edited")
        delete_event = await boris.event("message_deleted")

    assert edited["message"]["text"] == "First"
    assert edited["message"]["is_edited"] is True
    assert edit_event["message"]["text"] == "First"
    assert (delete_event["message_id"], delete_event["deleted_by"]) == (message_id, ANNA)
    assert delete_event["seq"] == deleted["seq"] == 4


async def test_a_repeated_send_is_answered_and_not_repeated(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.connected(ANNA) as socket,
        server.connected(BORIS, "Boris") as boris,
    ):
        chat_id = await anna.create_group(BORIS)
        first = await socket.command(
            "send_message", chat_id=chat_id, text="Once", client_msg_id="k1"
        )
        again = await socket.command(
            "send_message", chat_id=chat_id, text="Once", client_msg_id="k1"
        )
        over_rest = await anna.send(chat_id, "Once", client_msg_id="k1")
        await socket.command("send_message", chat_id=chat_id, text="Last")
        await boris.frame(lambda f: f.get("message", {}).get("text") == "Last")

        texts = [event["message"]["text"] for event in boris.events if "message" in event]

    assert again["duplicate"] is True
    assert again["message"]["id"] == first["message"]["id"] == over_rest["id"]
    assert again["seq"] == first["seq"]
    assert texts == ["Once", "Last"]


async def test_a_stranger_sees_and_says_nothing(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(CLARA, "Clara") as clara,
        server.connected(CLARA, "Clara") as socket,
    ):
        chat_id = await anna.create_group()
        message = await anna.send(chat_id, "Private")
        refused = await socket.command("send_message", chat_id=chat_id, text="Hi")
        unknown = await socket.command("send_message", chat_id=999_999, text="Hi")
        history = await clara.request("GET", f"/api/v1/messages/chat/{chat_id}")
        edit = await clara.request(
            "PUT", f"/api/v1/messages/{message['id']}", json={"text": "Mine"}
        )
        await socket.command("ping")

    assert (refused["type"], refused["code"]) == ("error", "not_a_member")
    assert unknown["code"] == refused["code"]
    assert history.status_code == 403
    assert edit.status_code == 404
    assert socket.events == []


async def test_a_ping_is_answered_to_this_connection_only(server: Server) -> None:
    async with server.connected(ANNA) as first, server.connected(ANNA) as second:
        pong = await first.command("ping")
        await second.command("ping")

    assert pong == {"type": "pong", "id": "c1"}
    assert [frame for frame in second.frames if frame["type"] == "pong"] == [
        {"type": "pong", "id": "c1"}
    ]
