"""``rest``: Mini Apps that poll, and send over REST."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from aeon.load.crew import Crew
from aeon.load.miniapp import MiniApp
from aeon.load.pace import pace
from aeon.load.scenarios.scene import CONNECTING_AT_ONCE, Scene


class RestScene(Scene):
    """People with the Mini App open."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self._apps = [
            MiniApp(crew, person, crew.chats_of[person.user_id])
            for person in crew.plan.people
            if person.user_id in crew.chats_of
        ]

    async def open(self) -> None:
        """Open the Mini App and a chat on every phone."""
        limiter = trio.CapacityLimiter(CONNECTING_AT_ONCE)

        async def open_one(app: MiniApp) -> None:
            async with limiter:
                await app.open()

        async with trio.open_nursery() as nursery:
            for app in self._apps:
                nursery.start_soon(open_one, app)

    async def play(self, start_ns: int, end_ns: int) -> None:
        """Let them poll as the Mini App does, and send at the plan's rate."""
        plan = self.crew.plan
        chance = plan.random("rest")
        if not self._apps:
            return
        async with trio.open_nursery() as polling:
            for app in self._apps:
                polling.start_soon(app.poll, start_ns, end_ns, chance.random())
            async with trio.open_nursery() as sending:

                def send(due_ns: int) -> None:
                    sending.start_soon(chance.choice(self._apps).send, due_ns)

                await pace(
                    send,
                    first_ns=start_ns + int(plan.worker / plan.workers / plan.rate * 1e9),
                    per_second=plan.rate,
                    until_ns=end_ns,
                )

    async def settle(self) -> None:
        """Everything was answered when ``play`` ended."""

    async def drain(self, targets: Mapping[int, int]) -> None:
        """Let everybody poll once more: now everything has to be there."""
        limiter = trio.CapacityLimiter(CONNECTING_AT_ONCE)

        async def look(app: MiniApp) -> None:
            async with limiter:
                await app.look()

        with trio.move_on_after(self.crew.plan.drain_seconds):
            async with trio.open_nursery() as nursery:
                for app in self._apps:
                    nursery.start_soon(look, app)

    def leave(self) -> None:
        """Close the connections."""
        self.crew.http.close()

    def note_unanswered(self) -> None:
        """Every send notes its end by itself."""
