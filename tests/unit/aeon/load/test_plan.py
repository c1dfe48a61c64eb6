from collections import Counter

import orjson

from aeon.load.options import Options, Scenario
from aeon.load.plan import RUNS, ChatPlan, PersonPlan, Plan, divide, groups, user_ids

TELEGRAM_MAX_ID = 2**52 - 1


def options(scenario: Scenario = Scenario.CHAT, **fields: int) -> Options:
    return Options(scenario=scenario, bot_token="1:x", **fields)  # type: ignore[arg-type]  # ints


def test_ids_stay_in_what_telegram_allows() -> None:
    assert user_ids(RUNS - 1, 100_000)[-1] <= TELEGRAM_MAX_ID
    assert set(user_ids(1, 1000)).isdisjoint(user_ids(2, 1000))


def test_everybody_is_in_two_chats_of_the_size_asked_for() -> None:
    made = groups(options(users=103, group_size=5), range(103))

    chats_of = Counter(person for group in made for person in group)
    assert all(2 <= len(group) <= 5 for group in made)
    assert set(chats_of) == set(range(103))
    assert max(chats_of.values()) == 2


def test_the_seed_decides_the_groups() -> None:
    assert groups(options(seed=1), range(100)) == groups(options(seed=1), range(100))
    assert groups(options(seed=1), range(100)) != groups(options(seed=2), range(100))


def test_fanout_has_one_chat_of_everybody() -> None:
    assert groups(options(Scenario.FANOUT), range(9)) == [list(range(9))]


def test_people_are_dealt_out_once_and_the_rate_is_shared() -> None:
    people = [PersonPlan(user_id, f"data {user_id}") for user_id in range(7)]
    chats = [ChatPlan(1, 3, (0, 1)), ChatPlan(2, 4, (0, 2, 3))]

    plans = divide(options(users=7, processes=2, group_size=2), "ab", "http://x", people, chats)

    assert sorted(p.user_id for plan in plans for p in plan.people) == list(range(7))
    assert sum(plan.rate for plan in plans) == 100.0
    for plan in plans:
        assert Plan.from_json(orjson.loads(orjson.dumps(plan.to_json()))) == plan
