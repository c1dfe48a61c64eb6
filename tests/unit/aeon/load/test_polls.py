"""What polling clients saw, judged by message ids."""

from aeon.load.ledger import Fact, Ledger
from aeon.load.verdict import Evidence, Outcome, Send, judge, judge_poll


def test_every_acked_message_shown_once_is_clean() -> None:
    assert judge_poll(1, 2, [10, 11, 12], [10, 12]).is_clean


def test_a_message_never_shown_is_lost() -> None:
    verdict = judge_poll(1, 2, [10], [10, 11])

    assert verdict.lost == 1
    assert "ids 11" in verdict.examples[0]


def test_a_message_shown_twice_is_doubled() -> None:
    assert judge_poll(1, 2, [10, 11, 10], [10, 11]).doubled == 1


def test_a_message_shown_after_a_later_one_is_misordered() -> None:
    verdict = judge_poll(1, 2, [11, 10], [10, 11])

    assert (verdict.misordered, verdict.lost) == (1, 0)


def test_a_deleted_message_need_not_have_been_shown() -> None:
    ledger = Ledger()
    ledger.note(2, 1, Fact("new_message", 10, 5))
    ledger.note(2, 2, Fact("message_deleted", 10))
    evidence = Evidence(
        ledger=ledger,
        sends=[Send(5, 2, Outcome.ACKED, None, 10)],
        polls=[(1, 2, [])],
    )

    assert judge(evidence).is_clean
