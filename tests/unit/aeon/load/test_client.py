"""The client and the verifier together, against a server that breaks its promises."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from aeon.load.client import Client
from aeon.load.crew import Crew, now_ns
from aeon.load.endpoint import find
from aeon.load.faults import Refused, ServerGone
from aeon.load.options import Scenario
from aeon.load.plan import ChatPlan, PersonPlan, Plan
from aeon.load.verdict import Verdict, judge
from tests.helpers.load_server import CHAT_ID, FaultyServer, faulty_server

PEOPLE = (1, 2, 3)
MESSAGES = 6


def plan(url: str) -> Plan:
    return Plan(
        scenario=Scenario.CHAT,
        run="ab12",
        urls=(url,),
        worker=0,
        workers=1,
        seed=1,
        rate=10.0,
        duration_seconds=1.0,
        text_length=0,
        patience_seconds=0.3,
        drain_seconds=1.0,
        people=tuple(PersonPlan(user_id, str(user_id)) for user_id in PEOPLE),
        chats=(ChatPlan(CHAT_ID, 0, PEOPLE),),
    )


class Talk:
    """Three people who talk through a server."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.clients = [Client(crew, person) for person in crew.plan.people]

    async def open(self) -> None:
        for client in self.clients:
            await self.crew.nursery.start(client.run)

    async def say(self, count: int) -> None:
        """Let them speak in turns, each after the last was answered."""
        for number in range(count):
            client = self.clients[number % len(self.clients)]
            client.say(CHAT_ID, now_ns())
            await self.until(lambda client=client: client.unanswered == 0)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(6_000):
            if condition():
                return
            await trio.sleep(0.005)
        pytest.fail("it did not come")

    def verdict(self) -> Verdict:
        for client in self.clients:
            client.give_up()
        return judge(self.crew.evidence)


@asynccontextmanager
async def talk_at(server: FaultyServer) -> AsyncIterator[Talk]:
    async with faulty_server(server), trio.open_nursery() as nursery:
        crew = Crew(plan(server.url), (await find(server.url),), nursery)
        nursery.start_soon(crew.poller.run)
        talk = Talk(crew)
        await talk.open()
        yield talk
        crew.is_over = True
        for client in talk.clients:
            client.drop()
        nursery.cancel_scope.cancel()


async def verdict_on(server: FaultyServer) -> Verdict:
    async with talk_at(server) as talk:
        await talk.say(MESSAGES)
        # Everybody's last frame was sent before the last ack, on a connection of its own.
        await trio.testing.wait_all_tasks_blocked(0.05)
        return talk.verdict()


async def test_a_server_that_keeps_its_promises_is_clean() -> None:
    verdict = await verdict_on(FaultyServer())

    assert verdict.is_clean, verdict.examples
    assert verdict.checked_messages == MESSAGES
    assert verdict.checked_arrivals == MESSAGES * len(PEOPLE)


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        ({"lose": frozenset({3})}, {"lost": 1}),
        ({"lose": frozenset({MESSAGES})}, {"lost": 1}),
        ({"ack_only": frozenset({2})}, {"lost": 3}),
        ({"double": frozenset({4})}, {"doubled": 1}),
        ({"swap": frozenset({2})}, {"misordered": 1}),
    ],
    ids=["lost", "last lost", "acked to nobody", "doubled", "swapped"],
)
async def test_broken_promises_are_counted(
    fault: dict[str, frozenset[int]], counts: dict[str, int]
) -> None:
    verdict = await verdict_on(FaultyServer(**fault))

    names = ("lost", "doubled", "misordered", "conflicting")
    found = {name: getattr(verdict, name) for name in names if getattr(verdict, name)}
    assert found == counts
    assert verdict.examples


async def test_an_event_shown_differently_to_one_is_a_contradiction() -> None:
    verdict = await verdict_on(FaultyServer(forge=frozenset({5})))

    assert verdict.conflicting > 0
    assert verdict.lost == verdict.doubled == verdict.misordered == 0


async def test_a_lost_answer_is_asked_for_again_and_nothing_is_doubled() -> None:
    server = FaultyServer(answer_later=frozenset({2}))
    async with talk_at(server) as talk:
        await talk.say(MESSAGES)
        verdict = talk.verdict()
        totals = talk.crew.measurements.totals("opening.")

    assert verdict.is_clean, verdict.examples
    assert len(server.log) == MESSAGES
    assert totals["answered_as_duplicate"] == totals["sent_again"] == 1
    assert totals["error.unavailable"] == 1


async def test_everybody_comes_back_and_resumes_without_a_gap() -> None:
    server = FaultyServer(close_after=3)
    async with talk_at(server) as talk:
        await talk.say(MESSAGES)
        await talk.until(
            lambda: all(client.streams[CHAT_ID].newest == MESSAGES for client in talk.clients)
        )
        verdict = talk.verdict()
        totals = talk.crew.measurements.totals("opening.")

    assert verdict.is_clean, verdict.examples
    assert totals["resumed"] == totals["close.4500"] == len(PEOPLE)


async def test_what_is_said_while_away_is_sent_after_the_return() -> None:
    server = FaultyServer()
    async with talk_at(server) as talk:
        client = talk.clients[0]
        client.drop()
        client.say(CHAT_ID, now_ns())
        await talk.until(lambda: client.unanswered == 0)
        await talk.until(lambda: all(c.streams[CHAT_ID].newest == 1 for c in talk.clients))
        verdict = talk.verdict()

    assert verdict.is_clean
    assert verdict.checked_messages == 1


async def test_credentials_that_are_refused_end_the_run() -> None:
    with pytest.RaisesGroup(Refused, flatten_subgroups=True, allow_unwrapped=True):
        async with talk_at(FaultyServer(refuse=True)):
            pass


async def test_a_server_that_stays_away_ends_the_run() -> None:
    with pytest.RaisesGroup(ServerGone, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            async with faulty_server(FaultyServer()) as server:
                crew = Crew(plan(server.url), (await find(server.url),), nursery)
                nursery.start_soon(crew.poller.run)
                await nursery.start(Client(crew, crew.plan.people[0]).run)
            with trio.fail_after(60):
                await trio.sleep_forever()
