"""Random interleavings on a real server: no device misses, repeats or reorders anything.

Three people with two devices each do what people do, all at once: send, edit, delete, read,
add, remove, come back, lose the connection, resume. Afterwards every device has seen each of
its chats as one dense run of ``seq``, and unread counts equal a recount. A failing seed replays
the same choices (though not the same timing).
"""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio

from tests.helpers.clients import Json, Rest, Server, Socket

PEOPLE = (1001, 1002, 1003)
STEPS = 60


class Device:
    """A client that follows the protocol: it keeps a cursor per chat and resumes by it."""

    def __init__(self, server: Server, user_id: int, name: str) -> None:
        self.server = server
        self.user_id = user_id
        self.name = name
        self.cursors: dict[int, int] = {}
        self.faults: list[str] = []
        self.socket: Socket | None = None
        self._read = 0
        self._gone = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        async with self.server.connected(self.user_id, query="&resume=1") as socket:
            self.socket, self._read = socket, 0
            ack = await socket.command(
                "resume", cursors={str(chat): seq for chat, seq in self.cursors.items()}
            )
            self.digest()
            for chat, report in ack["chats"].items():
                # Without a cursor: a live removal came in right behind the replay.
                if self.cursors.get(int(chat), report["seq"]) < report["seq"]:
                    self.faults.append(f"{self.name}: resume of {chat} stopped early")
            for chat in ack["left"]:
                self.cursors.pop(chat, None)
            yield
            self.digest()
            self.socket = None

    def digest(self) -> None:
        """Look at what came in since the last time, as a client would."""
        assert self.socket is not None
        frames, self._read = self.socket.frames[self._read :], len(self.socket.frames)
        for frame in frames:
            if "seq" in frame and frame["type"] != "ack":
                self._see(frame)

    def _see(self, event: Json) -> None:
        chat, seq = event["chat_id"], event["seq"]
        expected = self.cursors.get(chat, seq - 1) + 1
        if seq != expected:
            self.faults.append(f"{self.name}: chat {chat}: {event['type']} {seq}, not {expected}")
        if event["type"] == "member_removed" and event["user_id"] == self.user_id:
            self.cursors.pop(chat, None)
        else:
            self.cursors[chat] = seq


class World:
    """The chats, the people, and random things they do."""

    def __init__(self, rng: random.Random, people: dict[int, Rest], devices: list[Device]) -> None:
        self.rng = rng
        self.people = people
        self.devices = devices
        self.chats: list[int] = []
        self.messages: list[tuple[int, int]] = []

    async def act(self, user_id: int) -> None:
        """Do one random thing; refusals are part of life, faults of the server are not."""
        rest, rng = self.people[user_id], self.rng
        chat = rng.choice(self.chats)
        other = rng.choice(PEOPLE)
        action = rng.choice(["send"] * 6 + ["edit", "delete", "read", "add", "add", "remove"])
        if action == "send":
            body = {"chat_id": chat, "text": f"{rng.random()}"}
            message = await self._do(rest, "POST", "/api/v1/messages/", json=body)
            if message is not None:
                self.messages.append((message["id"], user_id))
        elif action in ("edit", "delete") and self.messages:
            message_id, _ = rng.choice(self.messages)
            path = f"/api/v1/messages/{message_id}"
            if action == "edit":
                await self._do(rest, "PUT", path, json={"text": f"edited {rng.random()}"})
            else:
                await self._do(rest, "DELETE", path)
        elif action == "read":
            await self._do(rest, "POST", f"/api/v1/messages/chat/{chat}/read-all")
        elif action in ("add", "remove"):
            method = "POST" if action == "add" else "DELETE"
            await self._do(rest, method, f"/api/v1/chats/{chat}/members/{other}")

    async def _do(self, rest: Rest, method: str, path: str, **kwargs: Any) -> Json | None:
        response = await rest.request(method, path, **kwargs)
        assert response.status_code in (200, 400, 403, 404, 409), response.text
        answer: Json | None = response.json() if response.is_success else None
        return answer


@pytest.mark.parametrize("seed", range(4))
async def test_every_device_sees_one_dense_run(server: Server, seed: int) -> None:
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        people = {user: await stack.enter_async_context(server.person(user)) for user in PEOPLE}
        devices = [
            Device(server, user, f"{user}/{name}") for user in PEOPLE for name in ("phone", "pad")
        ]
        world = World(rng, people, devices)
        for owner in PEOPLE:
            others = [user for user in PEOPLE if user != owner]
            world.chats.append(await people[owner].create_group(*others, title=f"of {owner}"))
        for device in devices:
            device.cursors = dict.fromkeys(world.chats, 1)

        async with trio.open_nursery() as nursery:
            for user in PEOPLE:
                nursery.start_soon(_live, world, user)
            for device in devices:
                nursery.start_soon(_wander, device, random.Random(f"{seed}{device.name}"))

        for device in devices:
            await _catch_up(device, people[device.user_id])
        unread = {user: await _unread_and_recount(people[user], user) for user in PEOPLE}

    assert [fault for device in devices for fault in device.faults] == []
    for counted, recounted in unread.values():
        assert counted == recounted


async def _live(world: World, user_id: int) -> None:
    for _ in range(STEPS):
        await world.act(user_id)


async def _wander(device: Device, rng: random.Random) -> None:
    """Connect, watch a little of what happens, drop the connection, come back."""
    for _ in range(4):
        async with device.connection():
            assert device.socket is not None
            with trio.move_on_after(0.5):
                await device.socket.wait_for_frames(rng.randrange(1, 12))
            device.digest()


async def _catch_up(device: Device, rest: Rest) -> None:
    """Connect once more: at the end every device stands where the log ends."""
    async with device.connection():
        chats = {chat["id"]: chat["last_seq"] for chat in await rest.get("/api/v1/chats/")}
        device.digest()
        behind = {
            chat: (seq, device.cursors.get(chat))
            for chat, seq in chats.items()
            # A chat rejoined while away is learnt from resync, without a cursor.
            if chat in device.cursors and device.cursors[chat] != seq
        }
        if behind:
            device.faults.append(f"{device.name}: behind at the end: {behind}")


async def _unread_and_recount(rest: Rest, user_id: int) -> tuple[dict[int, int], dict[int, int]]:
    counted: dict[int, int] = {}
    recounted: dict[int, int] = {}
    for item in await rest.get("/api/v1/chats/"):
        chat = await rest.get(f"/api/v1/chats/{item['id']}")
        me = next(member for member in chat["members"] if member["id"] == user_id)
        page = await rest.get(f"/api/v1/messages/chat/{item['id']}?per_page=100")
        assert not page["has_next"]
        counted[item["id"]] = item["unread_count"]
        recounted[item["id"]] = sum(
            message["seq"] > me["read_seq"] and message["sender_id"] != user_id
            for message in page["messages"]
        )
    return counted, recounted
