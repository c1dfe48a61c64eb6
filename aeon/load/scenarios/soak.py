"""``soak``: everything mixed, for long: talk, edits, deletions, reads, typing, lost connections.

Every connection lives a few seconds to a minute, ends in order or abruptly, stays away for a
moment and comes back by cursor. One person in ten also has the Mini App open and polls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import trio

from aeon.load.bodies import write_body
from aeon.load.client import Client, Reply
from aeon.load.crew import Crew, now_ns
from aeon.load.miniapp import MiniApp
from aeon.load.pace import pace
from aeon.load.scenarios.scene import RealtimeScene

_MEAN_CONNECTION_SECONDS: Final = 15.0
_MAX_AWAY_SECONDS: Final = 3.0
_POLLERS_EVERY: Final = 10
_REMEMBERED: Final = 50
_SHARES: Final = {"say": 78, "edit": 7, "delete": 2, "read": 10, "type": 3}


class _Own(NamedTuple):
    """A message somebody may edit or delete."""

    chat_id: int
    message_id: int
    key: int


class SoakScene(RealtimeScene):
    """A long day."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self._chance = crew.plan.random("soak")
        self._own: dict[int, deque[_Own]] = {}
        for client in self.clients:
            own = self._own[client.user_id] = deque(maxlen=_REMEMBERED)
            client.on_message = _remember_in(own)
        self._apps = [
            MiniApp(crew, person, crew.chats_of[person.user_id])
            for person in crew.plan.people[::_POLLERS_EVERY]
            if person.user_id in crew.chats_of
        ]

    async def play(self, start_ns: int, end_ns: int) -> None:
        """Do everything at once until the end."""
        plan = self.crew.plan
        places = [(client, chat_id) for client in self.clients for chat_id in client.streams]
        if not places:
            return

        def act(due_ns: int) -> None:
            client, chat_id = self._chance.choice(places)
            self._do_something(client, chat_id, due_ns)

        async with trio.open_nursery() as nursery:
            for app in self._apps:
                await app.open()
                nursery.start_soon(app.poll, start_ns, end_ns, self._chance.random())
            for client in self.clients:
                nursery.start_soon(self._lose_connections, client, end_ns)
            await pace(
                act,
                first_ns=start_ns + int(plan.worker / plan.workers / plan.rate * 1e9),
                per_second=plan.rate,
                until_ns=end_ns,
            )

    async def drain(self, targets: Mapping[int, int]) -> None:
        """Wait for everything at every client, then poll once more."""
        await super().drain(targets)
        for app in self._apps:
            await app.look()

    def leave(self) -> None:
        """Hang up everywhere."""
        super().leave()
        self.crew.http.close()

    def _do_something(self, client: Client, chat_id: int, due_ns: int) -> None:
        (what,) = self._chance.choices(list(_SHARES), weights=list(_SHARES.values()))
        own = self._own[client.user_id]
        if what == "say" or not client.is_online:
            client.say(chat_id, due_ns)
        elif what == "type":
            client.command("typing", chat_id=chat_id, is_typing=True)
        elif what == "read":
            client.command("mark_read", self._answer_to(chat_id, due_ns), chat_id=chat_id)
        elif not own:
            client.say(chat_id, due_ns)
        elif what == "edit":
            self._edit(client, due_ns)
        else:
            chat_id, message_id, _ = own.pop()
            client.command(
                "delete_message", self._answer_to(chat_id, due_ns), message_id=message_id
            )

    def _edit(self, client: Client, due_ns: int) -> None:
        chat_id, message_id, key = self._chance.choice(self._own[client.user_id])
        text = write_body(self.crew.plan.run, key, due_ns) + "(edited)"
        client.command(
            "edit_message",
            self._answer_to(chat_id, due_ns),
            message_id=message_id,
            text=text,
        )

    def _answer_to(self, chat_id: int, due_ns: int) -> Callable[[Reply], None]:
        def take(reply: Reply) -> None:
            if reply["type"] == "error":
                self.crew.count(f"error.{reply['code']}")
                return
            self.crew.count("other_acked")
            self.crew.time("command", due_ns)
            if isinstance(reply.get("seq"), int):
                self.crew.note_seq(chat_id, reply["seq"])

        return take

    async def _lose_connections(self, client: Client, end_ns: int) -> None:
        while True:
            seconds = self._chance.expovariate(1 / _MEAN_CONNECTION_SECONDS)
            if now_ns() + seconds * 1e9 >= end_ns:
                return
            await trio.sleep(seconds)
            away_seconds = self._chance.uniform(0, _MAX_AWAY_SECONDS)
            if self._chance.random() < 0.5:
                client.drop(away_seconds=away_seconds)
            else:
                await client.hang_up(away_seconds=away_seconds)


def _remember_in(own: deque[_Own]) -> Callable[[int, int, int], None]:
    def remember(chat_id: int, message_id: int, key: int) -> None:
        own.append(_Own(chat_id, message_id, key))

    return remember
