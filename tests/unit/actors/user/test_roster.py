"""Who is online where: a picture of several nodes."""

from hypothesis import given
from hypothesis import strategies as st

from actors.user.roster import Roster
from storage.ids import UserId

A, B, C = UserId(1), UserId(2), UserId(3)


def test_online_anywhere_is_online() -> None:
    roster = Roster()

    assert roster.set_here(A, is_online=True)
    assert roster.apply("n1", [(A, True), (B, True)]) == [B]
    assert not roster.set_here(A, is_online=False)
    assert roster.is_online(A)
    assert roster.apply("n1", [(A, False)]) == [A]
    assert not roster.is_online(A)


def test_a_node_taken_anew_brings_the_differences() -> None:
    roster = Roster()
    roster.apply("n1", [(A, True), (B, True)])
    roster.apply("n2", [(B, True)])

    assert set(roster.replace("n1", [C])) == {A, C}
    assert roster.is_online(B)
    assert roster.replace("n2", []) == [B]


def test_counts() -> None:
    roster = Roster()
    roster.set_here(A, is_online=True)
    roster.apply("n1", [(A, True), (B, True)])

    counts = roster.statistics()
    assert (counts.online, counts.online_here, counts.other_nodes) == (2, 1, 1)
    roster.replace("n1", [])
    assert roster.statistics().other_nodes == 0


STEP = st.tuples(st.sampled_from(["here", "n1", "n2"]), st.sampled_from([A, B, C]), st.booleans())


@given(st.lists(STEP))
def test_changes_told_add_up_to_the_picture(steps: list[tuple[str, UserId, bool]]) -> None:
    roster = Roster()
    truth: dict[str, set[UserId]] = {"here": set(), "n1": set(), "n2": set()}
    told: set[UserId] = set()
    for where, who, is_online in steps:
        (truth[where].add if is_online else truth[where].discard)(who)
        if where == "here":
            changed = [who] if roster.set_here(who, is_online=is_online) else []
        elif len(truth[where]) % 2:
            changed = roster.replace(where, truth[where])
        else:
            changed = roster.apply(where, [(who, is_online)])
        told ^= set(changed)

    assert told == truth["here"] | truth["n1"] | truth["n2"]
    assert told == {who for who in (A, B, C) if roster.is_online(who)}
