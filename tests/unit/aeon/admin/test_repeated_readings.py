"""What operators read again and again does not drown what they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from aeon.admin.trail import REPEAT, AuditTrail, Use
from storage.database import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
READING = Use(NOON, "token", None, "show_actor", "chat/7", "ok", "r1", is_reading=True)


def test_the_same_reading_is_noted_once_a_minute() -> None:
    trail = AuditTrail(cast("Database", None), kept_days=30)
    for second in range(0, 121, 2):
        trail.note(replace(READING, at=NOON + timedelta(seconds=second)))
    counts = trail.statistics()
    assert (counts.noted, counts.repeated) == (3, 58)
    assert [use.at - NOON for use in reversed(trail.recent())] == [0 * REPEAT, REPEAT, 2 * REPEAT]
    assert [use.repeats for use in reversed(trail.recent())] == [0, 29, 29]


def test_another_reader_target_or_outcome_and_every_deed_is_noted() -> None:
    trail = AuditTrail(cast("Database", None), kept_days=30)
    deed = replace(READING, action="restart_actor", is_reading=False)
    uses = [
        READING,
        replace(READING, who="user:7"),
        replace(READING, target="chat/8"),
        replace(READING, outcome="actor_not_found"),
        *[deed] * 3,
    ]
    for use in uses:
        trail.note(use)
    assert trail.statistics().noted == len(uses)
    assert trail.statistics().repeated == 0


def test_a_guesser_does_not_push_deeds_out_of_the_trail() -> None:
    """Fault: at twenty guesses a second, the trail's two hundred thousand rows are full of them
    in three hours."""
    trail = AuditTrail(cast("Database", None), kept_days=30)
    guess = replace(READING, who="nobody", is_reading=False, is_refused=True)
    for number in range(1_200):
        guess = replace(
            guess,
            at=NOON + timedelta(seconds=number / 20),
            target=f"chat/{number}",
            action=("show_actor", "restart_actor")[number % 2],
            outcome=("token_invalid", "init_data_missing")[number // 2 % 2],
        )
        trail.note(guess)
    trail.note(replace(guess, who="user:7", outcome="not_allowed"))
    trail.note(replace(guess, at=NOON + 2 * REPEAT, outcome="token_invalid"))
    assert [(use.who, use.outcome, use.repeats) for use in reversed(trail.recent())] == [
        ("nobody", "token_invalid", 0),
        ("nobody", "init_data_missing", 0),
        ("user:7", "not_allowed", 0),
        ("nobody", "token_invalid", 599),
    ]


def test_what_is_remembered_of_readings_is_bounded() -> None:
    trail = AuditTrail(cast("Database", None), kept_days=30)
    for number in range(5_000):
        trail.note(replace(READING, target=f"chat/{number}"))
    assert len(trail._readings) <= 1_000
