"""The pure parts of the runtime against their obvious models."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.runtime import OverflowPolicy, RestartPolicy
from actors.runtime.mailbox import Mailbox
from actors.runtime.redaction import redact
from actors.runtime.restart import RestartWindow
from actors.runtime.timers import Timer, TimerQueue


class MailboxMachine(RuleBasedStateMachine):
    """A mailbox is two lists with a bound on one."""

    @initialize(capacity=st.integers(1, 4), overflow=st.sampled_from(OverflowPolicy))
    def open(self, capacity: int, overflow: OverflowPolicy) -> None:
        self.mailbox: Mailbox[int, int] = Mailbox(capacity, overflow)
        self.user: list[int] = []
        self.signals: list[int] = []
        self.number = self.peak = 0

    @rule()
    def offer(self) -> None:
        self.number += 1
        unfit = self.mailbox.offer(self.number)
        if len(self.user) < self.mailbox.capacity:
            assert unfit is None
            self.user.append(self.number)
        elif self.mailbox.overflow is OverflowPolicy.DROP_OLDEST:
            assert unfit == self.user.pop(0)
            self.user.append(self.number)
        else:
            assert unfit == self.number
        self.peak = max(self.peak, len(self.user))

    @rule()
    def post(self) -> None:
        self.number += 1
        self.mailbox.post(self.number)
        self.signals.append(self.number)

    @rule()
    def take(self) -> None:
        assert self.mailbox.take() == (self.user.pop(0) if self.user else None)

    @rule(limit=st.integers(1, 5))
    def take_many(self, limit: int) -> None:
        taken, self.user = self.user[:limit], self.user[limit:]
        assert self.mailbox.take_many(limit) == taken

    @rule()
    def take_signal(self) -> None:
        assert self.mailbox.take_signal() == (self.signals.pop(0) if self.signals else None)

    @rule()
    def take_signals(self) -> None:
        taken, self.signals = self.signals, []
        assert self.mailbox.take_signals() == taken

    @rule(data=st.data())
    def withdraw(self, data: Any) -> None:
        gone = data.draw(st.sampled_from([0, *self.signals]))  # 0: was never there
        self.mailbox.withdraw(gone)
        self.signals = [signal for signal in self.signals if signal != gone]

    @rule()
    def compact(self) -> None:
        self.mailbox.compact()

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "mailbox"):
            assert self.mailbox.depth == len(self.user) <= self.mailbox.capacity
            assert self.mailbox.peak_depth == self.peak
            assert self.mailbox.peek() == (self.user[0] if self.user else None)
            assert self.mailbox.is_empty is not bool(self.user or self.signals)


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


class TimerMachine(RuleBasedStateMachine):
    """A timer queue is a list that is searched."""

    @initialize()
    def open(self) -> None:
        self.queue = TimerQueue()
        self.live: list[Timer] = []
        self.made: list[Timer] = []
        self.now = 0.0

    @rule(after=st.integers(0, 5))
    def add(self, after: int) -> None:
        timer = Timer(self.now + after, "key", None, lambda _: None)
        self.queue.add(timer)
        self.live.append(timer)
        self.made.append(timer)

    @rule(after=st.integers(6, 9))
    def add_and_cancel_many(self, after: int) -> None:
        for _ in range(50):  # enough for the queue to throw dead ones out
            timer = Timer(self.now + after, "key", None, lambda _: None)
            self.queue.add(timer)
            self.queue.cancel(timer)

    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        if self.made:
            timer = data.draw(st.sampled_from(self.made))
            self.queue.cancel(timer)
            self.live = [other for other in self.live if other is not timer]

    @rule(step=st.integers(0, 3))
    def advance(self, step: int) -> None:
        self.now += step
        due = sorted((t for t in self.live if t.when <= self.now), key=lambda t: t.when)
        assert self.queue.take_due(self.now) == due
        self.live = [timer for timer in self.live if timer.when > self.now]

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "queue"):
            assert len(self.queue) == len(self.live)
            earliest = min((timer.when for timer in self.live), default=float("inf"))
            assert self.queue.next_due() <= earliest


TestTimers = TimerMachine.TestCase
TestTimers.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(
    gaps=st.lists(st.floats(0, 20), max_size=30),
    intensity=st.integers(0, 4),
    period=st.floats(0.5, 10),
)
def test_restart_window_counts_the_failures_of_the_last_period(
    gaps: list[float], intensity: int, period: float
) -> None:
    policy = RestartPolicy(intensity=intensity, period_seconds=period)
    window, now, times = RestartWindow(policy), 0.0, []
    for gap in gaps:
        now += gap
        times.append(now)
        recent = [at for at in times if at > now - period]
        wait = window.failed(now, transient=False, random=0.5)
        assert (wait is None) is (len(recent) > intensity)
        if wait is None:
            return
        assert policy.min_backoff_seconds <= wait <= policy.max_backoff_seconds * 1.2


texts = st.text(st.characters(exclude_characters="§"), max_size=200)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.binary(max_size=100),
    lambda inner: st.lists(inner, max_size=50) | st.dictionaries(texts, inner),
    max_leaves=60,
)


@given(value=values, secret=st.text(min_size=8, alphabet="§"))
def test_redacted_values_are_plain_bounded_and_keep_no_secret(value: object, secret: str) -> None:
    shown = redact({"value": value, "message_text": secret, "nested": {"api_token": [secret]}})
    assert secret not in repr(shown)

    def check(part: object, depth: int) -> None:
        assert depth <= 5
        assert part is None or isinstance(part, bool | int | float | str | list | dict)
        if isinstance(part, str):
            assert len(part) <= 64
        elif isinstance(part, list):
            assert len(part) <= 33
            for item in part:
                check(item, depth + 1)
        elif isinstance(part, dict):
            assert len(part) <= 33
            for key, item in part.items():
                check(key, depth + 1)
                check(item, depth + 1)

    check(shown, 0)
