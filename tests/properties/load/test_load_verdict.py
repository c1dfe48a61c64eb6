"""The verifier: silent about faultless histories, and never silent about a planted fault."""

from dataclasses import dataclass

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aeon.load.ledger import Fact, Ledger
from aeon.load.log_check import check_history, check_log
from aeon.load.streams import Stream
from aeon.load.verdict import Evidence, Outcome, Send, Verdict, judge

CHAT = 12
BASELINE = 3


@dataclass
class History:
    """What a faultless server would have shown to everybody."""

    facts: list[Fact]
    """From seq BASELINE + 1 on."""
    people: int
    acked: list[bool]
    """By message: whether its ack came."""

    @property
    def seqs(self) -> range:
        return range(BASELINE + 1, BASELINE + 1 + len(self.facts))

    def arrivals(self) -> list[list[tuple[int, Fact]]]:
        return [list(zip(self.seqs, self.facts, strict=True)) for _ in range(self.people)]

    def sends(self) -> list[Send]:
        messages = [
            (seq, fact)
            for seq, fact in zip(self.seqs, self.facts, strict=True)
            if fact.kind == "new_message" and fact.key is not None
        ]
        return [
            Send(fact.key or 0, CHAT, Outcome.ACKED, seq, fact.subject)
            if is_acked
            else Send(fact.key or 0, CHAT, Outcome.UNKNOWN)
            for (seq, fact), is_acked in zip(messages, self.acked, strict=True)
        ]

    def log(self) -> list[tuple[int, Fact]]:
        before = [(seq, Fact("member_added", seq)) for seq in range(1, BASELINE + 1)]
        return before + list(zip(self.seqs, self.facts, strict=True))


@st.composite
def histories(draw: st.DrawFn) -> History:
    kinds = draw(
        st.lists(
            st.sampled_from(["new_message"] * 3 + ["message_read", "message_edited"]),
            min_size=2,
            max_size=30,
        )
    )
    facts = [
        Fact(kind, 100 + at, 1000 + at) if kind == "new_message" else Fact(kind, at)
        for at, kind in enumerate(kinds)
    ]
    messages = kinds.count("new_message")
    acked = draw(st.lists(st.booleans(), min_size=messages, max_size=messages))
    return History(facts, draw(st.integers(1, 4)), acked)


def evidence_of(arrivals: list[list[tuple[int, Fact]]], sends: list[Send]) -> Evidence:
    """Take the arrivals down as clients do, each person in a process of their own."""
    evidence = Evidence(sends=list(sends))
    for person, arrived in enumerate(arrivals):
        stream, ledger = Stream(BASELINE), Ledger()
        for seq, fact in arrived:
            stream.note(seq)
            ledger.note(CHAT, seq, fact)
        own = Evidence(ledger=ledger, streams=[(person, CHAT, stream)])
        evidence.merge(Evidence.from_json(orjson.loads(orjson.dumps(own.to_json()))))
    return evidence


def judged(history: History, arrivals: list[list[tuple[int, Fact]]]) -> Verdict:
    return judge(evidence_of(arrivals, history.sends()))


@given(histories())
def test_a_faultless_history_is_clean(history: History) -> None:
    evidence = evidence_of(history.arrivals(), history.sends())
    verdict = judge(evidence)
    verdict.add(check_log(CHAT, history.log(), evidence))

    assert verdict.is_clean, verdict.examples
    assert verdict.checked_arrivals == len(history.facts) * history.people
    assert verdict.unacked_but_delivered == verdict.unacked == history.acked.count(False)


@given(histories(), st.data())
def test_a_lost_arrival_is_found(history: History, data: st.DataObject) -> None:
    arrivals = history.arrivals()
    arrived = data.draw(st.sampled_from(arrivals))
    at = data.draw(st.integers(0, len(arrived) - 1))
    is_tail = at == len(arrived) - 1
    was_acked = any(send.seq == arrived[at][0] for send in history.sends())
    # What nobody saw and nobody was told of never happened.
    assume(not is_tail or history.people > 1 or was_acked)
    del arrived[at]

    verdict = judged(history, arrivals)

    assert (verdict.lost, verdict.doubled, verdict.misordered) == (1, 0, 0)
    assert not verdict.is_clean
    assert verdict.examples


@given(histories(), st.data())
def test_a_doubled_arrival_is_found(history: History, data: st.DataObject) -> None:
    arrivals = history.arrivals()
    arrived = data.draw(st.sampled_from(arrivals))
    at = data.draw(st.integers(0, len(arrived) - 1))
    later = data.draw(st.integers(at + 1, len(arrived)))
    arrived.insert(later, arrived[at])

    verdict = judged(history, arrivals)

    assert (verdict.lost, verdict.doubled, verdict.misordered) == (0, 1, 0)


@given(histories(), st.data())
def test_swapped_arrivals_are_found(history: History, data: st.DataObject) -> None:
    arrivals = history.arrivals()
    arrived = data.draw(st.sampled_from(arrivals))
    at = data.draw(st.integers(0, len(arrived) - 2))
    arrived[at], arrived[at + 1] = arrived[at + 1], arrived[at]

    verdict = judged(history, arrivals)

    assert (verdict.lost, verdict.doubled, verdict.misordered) == (0, 0, 1)


@given(histories(), st.data())
def test_different_events_at_one_seq_are_found(history: History, data: st.DataObject) -> None:
    arrivals = history.arrivals()
    assume(history.people > 1)
    arrived = data.draw(st.sampled_from(arrivals))
    at = data.draw(st.integers(0, len(arrived) - 1))
    seq, fact = arrived[at]
    arrived[at] = (seq, fact._replace(subject=fact.subject + 1_000_000))

    assert judged(history, arrivals).conflicting > 0


@given(histories(), st.data())
def test_a_message_that_stands_twice_is_found(history: History, data: st.DataObject) -> None:
    """A retry became a second message: a new seq and id, the same key."""
    messages = [fact for fact in history.facts if fact.kind == "new_message"]
    assume(messages)
    again = data.draw(st.sampled_from(messages))
    sends = history.sends()
    history.facts.append(again._replace(subject=again.subject + 1_000_000))

    evidence = evidence_of(history.arrivals(), sends)

    assert judge(evidence).doubled == 1
    assert check_log(CHAT, history.log(), evidence).doubled == 1


@given(histories(), st.data())
def test_an_ack_for_another_message_is_found(history: History, data: st.DataObject) -> None:
    sends = history.sends()
    acked = [at for at, send in enumerate(sends) if send.outcome is Outcome.ACKED]
    assume(acked)
    at = data.draw(st.sampled_from(acked))
    sends[at] = Send(9_999, CHAT, Outcome.ACKED, sends[at].seq, sends[at].message_id)

    assert judge(evidence_of(history.arrivals(), sends)).conflicting == 1


@given(histories(), st.data())
def test_a_refused_message_that_came_is_found(history: History, data: st.DataObject) -> None:
    sends = history.sends()
    assume(sends)
    at = data.draw(st.integers(0, len(sends) - 1))
    sends[at] = Send(sends[at].key, CHAT, Outcome.REFUSED)
    evidence = evidence_of(history.arrivals(), sends)

    assert judge(evidence).refused_but_delivered == 1
    assert check_log(CHAT, history.log(), evidence).refused_but_delivered == 1


@given(histories(), st.data())
def test_what_the_store_lacks_is_found(history: History, data: st.DataObject) -> None:
    evidence = evidence_of(history.arrivals(), history.sends())
    log = history.log()
    del log[data.draw(st.integers(BASELINE, len(log) - 1))]

    verdict = check_log(CHAT, log, evidence)

    assert verdict.missing_in_store > 0
    assert not verdict.is_clean


@given(histories(), st.data())
def test_a_history_unlike_the_log_is_found(history: History, data: st.DataObject) -> None:
    shown = [{"id": fact.subject} for fact in history.facts if fact.kind == "new_message"]
    assume(len(shown) > 1)
    assert check_history(CHAT, history.log(), shown).is_clean

    at = data.draw(st.integers(0, len(shown) - 1))
    without = shown[:at] + shown[at + 1 :]
    swapped = [*shown[1:], shown[0]]
    doubled = [*shown, shown[at]]

    assert check_history(CHAT, history.log(), without).missing_in_store == 1
    assert check_history(CHAT, history.log(), swapped).misordered == 1
    assert check_history(CHAT, history.log(), doubled).doubled == 1


@pytest.mark.parametrize("is_complete", [True, False])
def test_what_was_under_way_when_the_run_broke_is_not_blamed(is_complete: bool) -> None:
    evidence = evidence_of(
        [[(4, Fact("new_message", 100, 1000))]],
        [
            Send(1000, CHAT, Outcome.ACKED, 4, 100),
            Send(1001, CHAT, Outcome.ACKED, 5, 101),
        ],
    )

    verdict = judge(evidence, is_complete=is_complete)

    assert verdict.lost == (1 if is_complete else 0)


def test_the_key_of_a_message_deleted_meanwhile_is_no_contradiction() -> None:
    evidence = evidence_of(
        [[(4, Fact("new_message", 100, 1000))], [(4, Fact("new_message", 100, None))]],
        [Send(1000, CHAT, Outcome.ACKED, 4, 100)],
    )

    assert judge(evidence).is_clean
