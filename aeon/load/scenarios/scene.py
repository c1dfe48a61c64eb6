"""What all scenes have: get ready, play, wait for what is under way, leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio

from aeon.load.client import Client
from aeon.load.crew import Crew
from aeon.load.pace import pace

CONNECTING_AT_ONCE: Final = 32
_LOOK_SECONDS: Final = 0.05


class Scene(ABC):
    """One process's part of a scenario."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    @abstractmethod
    async def open(self) -> None:
        """Bring everybody to where the load begins."""

    @abstractmethod
    async def play(self, start_ns: int, end_ns: int) -> None:
        """Load the server between two moments of the monotonic clock."""

    @abstractmethod
    async def settle(self) -> None:
        """Wait for the answers to all that was sent.

        Only then does anybody know how far each chat goes, which the others then wait for.
        """

    @abstractmethod
    async def drain(self, targets: Mapping[int, int]) -> None:
        """Wait until everybody has seen each chat up to its target.

        Args:
            targets: Chat to the ``seq`` it got to, over all processes.
        """

    @abstractmethod
    def leave(self) -> None:
        """Let go of the server; nothing counts any more."""

    @abstractmethod
    def note_unanswered(self) -> None:
        """Note every message that has no answer by now."""


class RealtimeScene(Scene):
    """People with a realtime client each."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self.clients = [Client(crew, person) for person in crew.plan.people]

    async def open(self) -> None:
        """Connect everybody, and keep them connected."""
        await self.connect_all(self.clients)

    async def connect_all(self, clients: Sequence[Client]) -> None:
        """Connect some, a few at a time; they stay, and come back when the connection is lost."""
        limiter = trio.CapacityLimiter(CONNECTING_AT_ONCE)

        async def connect(client: Client) -> None:
            async with limiter:
                await self.crew.nursery.start(client.run)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(connect, client)

    async def play(self, start_ns: int, end_ns: int) -> None:
        """Let them talk at the plan's rate."""
        await self.talk(self.clients, start_ns, end_ns)

    async def talk(self, clients: Sequence[Client], start_ns: int, end_ns: int) -> None:
        """Let somebody of these say something somewhere, at the plan's rate."""
        plan = self.crew.plan
        places = [(client, chat_id) for client in clients for chat_id in client.streams]
        if not places:
            return
        chance = plan.random("talk")

        def say(due_ns: int) -> None:
            client, chat_id = chance.choice(places)
            client.say(chat_id, due_ns)

        await pace(
            say,
            # Processes take turns.
            first_ns=start_ns + int(plan.worker / plan.workers / plan.rate * 1e9),
            per_second=plan.rate,
            until_ns=end_ns,
        )

    async def settle(self) -> None:
        """Wait for the answers, and for everybody who is away."""
        await self._wait(lambda: all(client.is_settled for client in self.clients))

    async def drain(self, targets: Mapping[int, int]) -> None:
        """Wait for every event at every client."""
        await self._wait(lambda: self._is_drained(targets))

    async def _wait(self, condition: Callable[[], bool]) -> None:
        # Looking at thousands of streams at every frame would be a load of its own.
        for _ in range(int(self.crew.plan.drain_seconds / _LOOK_SECONDS)):
            if condition():
                return
            await trio.sleep(_LOOK_SECONDS)

    def _is_drained(self, targets: Mapping[int, int]) -> bool:
        return all(
            stream.newest >= targets.get(chat_id, 0) and not stream.missing
            for client in self.clients
            for chat_id, stream in client.streams.items()
        )

    def leave(self) -> None:
        """Hang up."""
        for client in self.clients:
            client.drop()

    def note_unanswered(self) -> None:
        """Note every message that has no answer by now."""
        for client in self.clients:
            client.give_up()
