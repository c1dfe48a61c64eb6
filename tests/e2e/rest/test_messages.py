"""Messages over REST: pages, windows, edits, forwards, read marks."""

from tests.helpers.clients import Server

ANNA, BORIS, CLARA = 1001, 1002, 1003


async def test_a_message_as_the_contract_shows_it(server: Server) -> None:
    async with server.person(ANNA, username="anna") as anna:
        chat_id = await anna.create_group()
        first = await anna.send(chat_id, "Hello \u00fc \U0001f600")
        reply = await anna.send(chat_id, "Hi", reply_to_message_id=first["id"])

    assert first["sender"] == {
        "id": ANNA,
        "telegram_id": ANNA,
        "username": "anna",
        "first_name": "Anna",
        "last_name": None,
        "profile_photo_url": None,
    }
    assert first["text"] == "Hello \u00fc \U0001f600"
    assert (first["chat_id"], first["sender_id"], first["message_type"]) == (chat_id, ANNA, "text")
    assert first["is_edited"] is first["is_deleted"] is False
    assert first["read_by"] == []
    assert first["created_at"].endswith("Z")
    assert (first["media_url"], first["updated_at"]) == (None, None)
    assert reply["reply_to_message_id"] == first["id"]
    assert reply["id"] > first["id"]


async def test_pages_begin_with_the_newest_and_run_forward(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        sent = [await anna.send(chat_id, f"m{number}") for number in range(7)]
        await anna.delete(f"/api/v1/messages/{sent[5]['id']}")
        path = f"/api/v1/messages/chat/{chat_id}"
        first = await anna.get(path, params={"page": 1, "per_page": 4})
        second = await anna.get(path, params={"page": 2, "per_page": 4})
        beyond = await anna.get(path, params={"page": 9, "per_page": 4})
        plain = await anna.get(path)

    assert [one["text"] for one in first["messages"]] == ["m2", "m3", "m4", "m6"]
    assert [one["text"] for one in second["messages"]] == ["m0", "m1"]
    assert (first["total"], first["has_next"], first["has_prev"]) == (6, True, False)
    assert (second["has_next"], second["has_prev"]) == (False, True)
    assert (beyond["messages"], beyond["has_next"]) == ([], False)
    assert (plain["page"], plain["per_page"], len(plain["messages"])) == (1, 50, 6)
    ids = [one["id"] for one in plain["messages"]]
    assert ids == sorted(ids)


async def test_windows(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        ids = [(await anna.send(chat_id, f"m{number}"))["id"] for number in range(9)]
        path = f"/api/v1/messages/chat/{chat_id}"
        before = await anna.get(path, params={"before_id": ids[4], "limit": 2})
        after = await anna.get(path, params={"after_id": ids[4], "limit": 2})
        around = await anna.get(path, params={"around_id": ids[4], "limit": 3})
        wrong = [
            await anna.request("GET", path, params=params)
            for params in (
                {"before_id": ids[4], "after_id": ids[1]},
                {"before_id": ids[4], "page": 2},
                {"limit": 5},
                {"page": 0},
                {"per_page": 101},
                {"before_id": "x"},
                {"around_id": ids[4], "limit": 101},
            )
        ]
    assert [one["text"] for one in before["messages"]] == ["m2", "m3"]
    assert (before["has_next"], before["has_prev"]) == (True, True)
    assert [one["text"] for one in after["messages"]] == ["m5", "m6"]
    assert [one["text"] for one in around["messages"]] == ["m3", "m4", "m5"]
    assert [answer.status_code for answer in wrong] == [422] * 7


async def test_editing(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Frist")
        path = f"/api/v1/messages/{message['id']}"
        edited = await anna.put(path, {"text": "First"})
        unchanged = await anna.put(path, {"text": None})
        empty = await anna.request("PUT", path, json={"text": " "})
        foreign = await boris.request("PUT", path, json={"text": "Mine"})
        foreign_null = await boris.request("PUT", path, json={})

    assert (edited["text"], edited["is_edited"]) == ("First", True)
    assert edited["updated_at"] is not None
    assert unchanged["text"] == "First"
    assert empty.status_code == 422
    for answer in (foreign, foreign_null):
        assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")


async def test_deleting(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
    ):
        chat_id = await anna.create_group(BORIS)
        mine = await anna.send(chat_id, "Anna's")
        his = await boris.send(chat_id, "Boris's")
        foreign = await boris.request("DELETE", f"/api/v1/messages/{mine['id']}")
        await anna.delete(f"/api/v1/messages/{his['id']}")
        again = await boris.request("DELETE", f"/api/v1/messages/{his['id']}")
        page = await boris.get(f"/api/v1/messages/chat/{chat_id}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "message_not_found")
    assert again.status_code == 404
    assert [one["text"] for one in page["messages"]] == ["Anna's"]


async def test_the_same_key_sends_once(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        other_id = await anna.create_group(title="Other")
        body = {"chat_id": chat_id, "text": "Once", "client_msg_id": "k"}
        first = await anna.request("POST", "/api/v1/messages/", json=body)
        again = await anna.request("POST", "/api/v1/messages/", json=body)
        elsewhere = await anna.request(
            "POST", "/api/v1/messages/", json={**body, "chat_id": other_id}
        )
    assert first.json()["id"] == again.json()["id"]
    assert "X-Duplicate" not in first.headers
    assert again.headers["X-Duplicate"] == "true"
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "client_msg_id_reused")


async def test_forwarding(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
    ):
        source = await anna.create_group(BORIS, title="Source")
        target = await boris.create_group(title="Target")
        message = await anna.send(source, "Pass it on")
        params = {"message_id": message["id"], "chat_id": target}
        copy = await boris.post("/api/v1/messages/forward", params=params)
        no_target = await anna.request("POST", "/api/v1/messages/forward", params=params)
        no_source = await anna.request(
            "POST",
            "/api/v1/messages/forward",
            params={"message_id": copy["id"], "chat_id": source},
        )
        unknown = await anna.request(
            "POST", "/api/v1/messages/forward", params={"message_id": 10**9, "chat_id": source}
        )
        half = await boris.request("POST", "/api/v1/messages/forward", params={"chat_id": target})

    assert (copy["text"], copy["sender"]["id"], copy["chat_id"]) == ("Pass it on", BORIS, target)
    assert copy["forward_from_user_id"] == ANNA
    assert copy["forward_from_chat_id"] == source
    assert (no_target.status_code, no_target.json()["code"]) == (403, "not_a_member")
    assert (no_source.status_code, no_source.json()["code"]) == (404, "message_not_found")
    assert unknown.json()["code"] == no_source.json()["code"]
    assert (half.status_code, half.json()["details"][0]["field"]) == (422, "message_id")


async def test_a_reply_stays_in_its_chat(server: Server) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        other_id = await anna.create_group(title="Other")
        message = await anna.send(other_id, "Elsewhere")
        for target in (message["id"], 10**9):
            answer = await anna.request(
                "POST",
                "/api/v1/messages/",
                json={"chat_id": chat_id, "text": "Re", "reply_to_message_id": target},
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "reply_not_found")


async def test_reading(server: Server) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        sent = [await anna.send(chat_id, f"m{number}") for number in range(4)]
        await boris.send(chat_id, "Own words do not count")
        before = (await boris.get("/api/v1/chats/"))[0]["unread_count"]
        first = await boris.post(f"/api/v1/messages/{sent[1]['id']}/read")
        back = await boris.post(f"/api/v1/messages/{sent[0]['id']}/read")
        rest = await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all")
        again = await boris.post(f"/api/v1/messages/chat/{chat_id}/read-all")
        after = (await boris.get("/api/v1/chats/"))[0]["unread_count"]
        page = await anna.get(f"/api/v1/messages/chat/{chat_id}")
        readers = await anna.get(f"/api/v1/messages/{sent[0]['id']}/readers")
        unknown = await boris.request("POST", "/api/v1/messages/1000000/read")

    assert before == 4
    assert (first["unread_count"], first["newly_read"]) == (2, 2)
    assert (back["unread_count"], back["newly_read"]) == (2, 0)
    assert rest["message"] == "Marked 2 messages as read"
    assert (again["message"], again["seq"]) == ("Marked 0 messages as read", rest["seq"])
    assert after == 0
    assert [one["read_by"] for one in page["messages"][:4]] == [[BORIS]] * 4
    assert [one["id"] for one in readers["users"]] == [BORIS]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "message_not_found")


async def test_who_hides_read_receipts_is_no_reader(server: Server) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS, "Boris") as boris,
        server.person(CLARA, "Clara") as clara,
    ):
        chat_id = await anna.create_group(BORIS, CLARA)
        message = await anna.send(chat_id, "Hello")
        await boris.put("/api/v1/me", {"privacy": {"show_read_receipts": False}})
        for one in (boris, clara):
            await one.post(f"/api/v1/messages/chat/{chat_id}/read-all")
        page = await anna.get(f"/api/v1/messages/chat/{chat_id}")
        around = await anna.get(f"/api/v1/messages/chat/{chat_id}?around_id={message['id']}")
        readers = await anna.get(f"/api/v1/messages/{message['id']}/readers")
        unread = (await boris.get("/api/v1/chats/"))[0]["unread_count"]

    assert [one["read_by"] for one in page["messages"]] == [[CLARA]]
    assert [one["read_by"] for one in around["messages"]] == [[CLARA]]
    assert ([one["id"] for one in readers["users"]], readers["total"]) == ([CLARA], 1)
    assert unread == 0
