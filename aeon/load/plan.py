"""What the parent tells a client process, and the groups people are put in. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from aeon.load.options import Options, Scenario

# Above all ids Telegram gives out today and within the 52 bits it promises to stay in. Each run
# has people of its own, so that runs on one server do not pile up each other's chats.
_FIRST_USER_ID: Final = 1 << 51
_USERS_PER_RUN: Final = 1 << 18
RUNS: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """Somebody of the run."""

    user_id: int
    init_data: str


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """A chat of the run."""

    chat_id: int
    baseline: int
    """Its ``last_seq`` before the run."""
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One client process's part of a run."""

    scenario: Scenario
    run: str
    """Marks the run's messages."""
    urls: tuple[str, ...]
    """The nodes; people are spread over them."""
    worker: int
    workers: int
    seed: int
    rate: float
    """Messages a second of this process."""
    duration_seconds: float
    text_length: int
    patience_seconds: float
    drain_seconds: float
    people: tuple[PersonPlan, ...]
    """Whom this process plays."""
    chats: tuple[ChatPlan, ...]
    """All chats in which one of them is."""

    def random(self, purpose: str) -> random.Random:
        """Return this process's source of chance for a purpose; the seed decides."""
        return random.Random(f"{self.seed}/{self.worker}/{purpose}")

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what ``to_json`` gave."""
        fields = dict(data)
        fields["scenario"] = Scenario(fields["scenario"])
        fields["urls"] = tuple(fields["urls"])
        fields["people"] = tuple(PersonPlan(**person) for person in fields["people"])
        fields["chats"] = tuple(
            ChatPlan(chat["chat_id"], chat["baseline"], tuple(chat["members"]))
            for chat in fields["chats"]
        )
        return cls(**fields)


def user_ids(run_number: int, count: int) -> list[int]:
    """Return the ids of a run's people."""
    first = _FIRST_USER_ID + run_number * _USERS_PER_RUN
    return list(range(first, first + count))


def groups(options: Options, people: Sequence[int]) -> list[list[int]]:
    """Put people in groups: all in one for ``fanout``, else everybody in about two.

    The first of a group makes it and owns it.
    """
    if options.scenario is Scenario.FANOUT:
        return [list(people)]
    chance = random.Random(f"{options.seed}/groups")
    made = []
    for _ in range(2):
        shuffled = list(people)
        chance.shuffle(shuffled)
        size = options.group_size
        made += [shuffled[at : at + size] for at in range(0, len(shuffled), size)]
    return [group for group in made if len(group) > 1]


def divide(
    options: Options,
    run: str,
    urls: Sequence[str],
    people: Sequence[PersonPlan],
    chats: Sequence[ChatPlan],
) -> list[Plan]:
    """Deal people out to the client processes, each with the chats it needs to know."""
    plans = []
    for worker in range(options.processes):
        mine = tuple(people[worker :: options.processes])
        ids = {person.user_id for person in mine}
        plans.append(
            Plan(
                scenario=options.scenario,
                run=run,
                urls=tuple(urls),
                worker=worker,
                workers=options.processes,
                seed=options.seed,
                rate=options.rate / options.processes,
                duration_seconds=options.duration_seconds,
                text_length=options.text_length,
                patience_seconds=options.patience_seconds,
                drain_seconds=options.drain_seconds,
                people=mine,
                chats=tuple(chat for chat in chats if ids.intersection(chat.members)),
            )
        )
    return plans
