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
    refused = replace(READING, who="nobody", outcome="token_invalid", is_reading=False)
    uses = [
        READING,
        replace(READING, who="user:7"),
        replace(READING, target="chat/8"),
        replace(READING, outcome="actor_not_found"),
        *[deed] * 3,
        *[refused] * 3,
    ]
    for use in uses:
        trail.note(use)
    assert trail.statistics().noted == len(uses)
    assert trail.statistics().repeated == 0


def test_what_is_remembered_of_readings_is_bounded() -> None:
    trail = AuditTrail(cast("Database", None), kept_days=30)
    for number in range(5_000):
        trail.note(replace(READING, target=f"chat/{number}"))
    assert len(trail._readings) <= 1_000
