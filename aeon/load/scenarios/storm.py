"""``storm``: most people connect, catch up, go away and come back, as fast as they are let in.

One in ten stays and talks, so that everybody who comes back has something to catch up on, and
the verifier sees whether the replay and the live events join without gap or repeat.
"""

from __future__ import annotations

from typing import Final

import trio

from aeon.load.client import Client
from aeon.load.crew import Crew, now_ns
from aeon.load.pace import wait_until
from aeon.load.scenarios.scene import RealtimeScene

_TALKERS_EVERY: Final = 10


class StormScene(RealtimeScene):
    """Connections come and go."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self._talkers = self.clients[::_TALKERS_EVERY]
        self._restless = [
            client for at, client in enumerate(self.clients) if at % _TALKERS_EVERY != 0
        ]

    async def play(self, start_ns: int, end_ns: int) -> None:
        """Let the talkers talk and the others come and go."""
        await wait_until(start_ns)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.talk, self._talkers, start_ns, end_ns)
            for client in self._restless:
                nursery.start_soon(self._come_and_go, client, end_ns)

    async def _come_and_go(self, client: Client, end_ns: int) -> None:
        chance = self.crew.plan.random(f"storm {client.user_id}")
        while now_ns() < end_ns:
            await client.wait_online()
            if chance.random() < 0.5:
                client.drop()
            else:
                await client.hang_up()
