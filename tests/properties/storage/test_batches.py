"""How commands are batched changes nothing: PostgreSQL ends where the rules end.

``AEON_FUZZ_EXAMPLES`` plays more of them.
"""

from __future__ import annotations

import itertools
import os

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.chat.decide import decide
from storage.batch import commit_batch
from storage.commands import AnyCommand, Committed, Outcome, Rejected
from storage.database import Database
from storage.events import DurableEvent, MessageSent
from tests.helpers.fake_appender import FakeAppender
from tests.helpers.people import add_people
from tests.helpers.scenarios import CHATS, PEOPLE, Play, Step, scenarios
from tests.helpers.soundness import assert_sound

EXAMPLES = int(os.environ.get("AEON_FUZZ_EXAMPLES", "25"))
worlds = itertools.count(1)


def summary(outcome: Outcome) -> object:
    """What must agree: everything but times and the numbers of messages."""
    if isinstance(outcome, Rejected):
        return outcome.reason
    if isinstance(outcome, Committed):
        return [_summary(event) for event in outcome.events]
    return type(outcome)


def _summary(event: DurableEvent) -> object:
    text = event.message.text if isinstance(event, MessageSent) else None
    return type(event), event.chat_id, event.seq, event.actor_id, text


async def play_both(url: str, scenario: list[Step], sizes: list[int]) -> None:
    base = next(worlds) * 1000
    async with Database.open(url, pool_size=2) as database:
        people = range(base + 1, base + PEOPLE + 1)
        await add_people(database, people)
        fake, model, real = FakeAppender(people), Play(base), Play(base)
        rest = list(scenario)
        for size in itertools.cycle(sizes):
            if not rest:
                break
            batch, rest = rest[:size], rest[size:]
            # Both name messages as of the beginning of the batch.
            expected_of: list[AnyCommand] = [model.command(step) for step in batch]
            commands: list[AnyCommand] = [real.command(step) for step in batch]
            expected = [(await fake.append([command]))[0] for command in expected_of]
            outcomes = await commit_batch(database, decide, commands)
            assert [summary(o) for o in outcomes] == [summary(o) for o in expected]
            model.saw(expected)
            real.saw(outcomes)
        await assert_sound(database)
        await assert_same_members(database, fake, base)


async def assert_same_members(database: Database, fake: FakeAppender, base: int) -> None:
    async with database.connection() as conn:
        rows = await conn.fetch_all(
            "SELECT chat_id, user_id, role, read_seq FROM members"
            " WHERE chat_id BETWEEN %(low)s::bigint AND %(high)s::bigint",
            {"low": base + 1, "high": base + CHATS},
        )
    stored = {(chat, user): (role, read_seq) for chat, user, role, read_seq in rows}
    expected = {
        (chat.id, user): (member.role.value, member.read_seq)
        for chat in fake.facts.chats.values()
        for user, member in chat.members.items()
    }
    assert stored == expected


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scenario=scenarios, sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_batches_of_any_size_end_alike(
    database_url: str, scenario: list[Step], sizes: list[int]
) -> None:
    trio.run(play_both, database_url, scenario, sizes)
