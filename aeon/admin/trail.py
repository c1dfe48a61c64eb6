"""The audit trail of operators' requests: into the log at once, into the database in batches.

Rules of this file:

- Noting never waits and never fails: operators look when things are broken. While the database
  is away, entries wait, bounded; what finds no room is in the log all the same, and counted.
- A page and `aeon top` ask the same every few seconds; the same reading by the same operator is
  noted once a minute, with how often it was repeated before, or what they did would drown in what
  they looked at. The log has the repetitions at DEBUG.
- Ids, kinds and codes only, never credentials or what an operator typed into a search.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
import trio

from storage import audit
from storage.audit import NewAuditEntry
from storage.database import Database
from storage.errors import CommitUnknown, StatementTimeout, StorageError, Unavailable
from storage.ids import UserId

MAX_WAITING: Final = 2_000
MAX_BATCH: Final = 500
MAX_ENTRIES: Final = 200_000
"""Kept in the database; the oldest go first."""
RECENT: Final = 500
"""Kept in memory, for when the database is away."""
RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0)
TRIM_EVERY: Final = 1_000
REPEAT: Final = timedelta(minutes=1)
_MAX_READINGS: Final = 1_000
TARGET_MAX_CHARACTERS: Final = 120

_log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """One request of an operator, or of somebody who is none."""

    at: datetime
    who: str
    """``user:7``, ``token`` or ``nobody``."""
    user_id: UserId | None
    action: str
    target: str | None
    outcome: str
    """``ok``, ``cancelled`` or the code of the refusal."""
    request_id: str | None
    is_reading: bool = False
    """An operator looked, and changed nothing."""
    is_refused: bool = False
    """Whoever asked is no operator."""
    repeats: int = 0
    """How often it was repeated, and not noted, since it was noted last."""


@dataclass(frozen=True, slots=True)
class TrailStatistics:
    """Counts since the start, and what waits."""

    noted: int
    repeated: int
    """Readings and refusals not noted, because the same one was within the last minute."""
    stored: int
    waiting: int
    lost: int
    """Only in the log: there was no room while the database was away, or it refused them."""
    failures: int
    """Attempts to store that failed; all but the lost were repeated."""


class AuditTrail:
    """Takes notes, and stores them while ``run`` runs. Implements ``runtime.Service``."""

    def __init__(self, database: Database, *, kept_days: int) -> None:
        self._database = database
        self._max_age = timedelta(days=kept_days)
        self._waiting: deque[Use] = deque()
        self._recent: deque[Use] = deque(maxlen=RECENT)
        self._in_flight = 0
        self._wake = trio.Event()
        self._settled = trio.Event()
        self._closing = trio.Event()
        self._noted = self._repeated = self._stored = self._lost = self._failures = 0
        self._readings: dict[tuple[str | None, ...], tuple[datetime, int]] = {}

    def note(self, use: Use) -> None:
        """Write down a request. Atomic."""
        repeats = self._repeats_before(use) if use.is_reading or use.is_refused else 0
        _log.log(
            logging.DEBUG if repeats is None else logging.INFO,
            "operator_request",
            who=use.who,
            action=use.action,
            target=use.target,
            outcome=use.outcome,
            request_id=use.request_id,
        )
        if repeats is None:
            self._repeated += 1
            return
        use = replace(use, repeats=repeats)
        self._noted += 1
        self._recent.append(use)
        if len(self._waiting) >= MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append(use)
        self._wake.set()

    def _repeats_before(self, use: Use) -> int | None:
        """How often this was repeated since it was noted; None: it is one of these."""
        reading: tuple[str | None, ...] = (use.who, use.action, use.target, use.outcome)
        if use.is_refused:
            reading = (use.who, use.outcome)
        noted_at, repeats = self._readings.get(reading, (None, 0))
        if noted_at is not None and use.at - noted_at < REPEAT:
            self._readings[reading] = noted_at, repeats + 1
            return None
        if len(self._readings) >= _MAX_READINGS:
            self._readings.clear()
        self._readings[reading] = use.at, 0
        return repeats

    def recent(self) -> Sequence[Use]:
        """What this node noted last, newest first."""
        return tuple(reversed(self._recent))

    def statistics(self) -> TrailStatistics:
        """Count."""
        return TrailStatistics(
            noted=self._noted,
            repeated=self._repeated,
            stored=self._stored,
            waiting=len(self._waiting) + self._in_flight,
            lost=self._lost,
            failures=self._failures,
        )

    async def flush(self, within_seconds: float) -> bool:
        """Wait until everything noted so far is stored or lost; False when time is up."""
        with trio.move_on_after(within_seconds):
            while self._waiting or self._in_flight:
                await self._settled.wait()
        return not self._waiting and not self._in_flight

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Store what is noted until ``aclose``."""
        self._closing = trio.Event()
        task_status.started()
        failed = 0
        untrimmed = TRIM_EVERY
        while self._waiting or not self._closing.is_set():
            if not self._waiting:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            stored = await self._store()
            if stored is None:
                if self._closing.is_set():
                    return  # it is all in the log
                with trio.move_on_after(RETRY_SECONDS[min(failed, len(RETRY_SECONDS) - 1)]):
                    await self._closing.wait()
                failed += 1
                continue
            failed = 0
            untrimmed += stored
            if untrimmed >= TRIM_EVERY:
                untrimmed = 0
                await self._trim()

    async def aclose(self) -> None:
        """Store what waits if the database is there; ``run`` then returns."""
        self._closing.set()
        self._wake.set()
        await trio.lowlevel.checkpoint()

    async def _store(self) -> int | None:
        """Store a batch; how many were settled. None: the database is away, try again."""
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        self._in_flight = len(batch)
        try:
            async with self._database.connection() as conn:
                await audit.append_entries(conn, [_entry(use) for use in batch])
        except (Unavailable, CommitUnknown, StatementTimeout):
            # Nothing was committed, or nobody knows: an entry twice is better than none.
            self._failures += 1
            self._waiting.extendleft(reversed(batch))
            _log.warning("audit_waits_for_the_database", waiting=len(self._waiting))
            return None
        except StorageError as error:
            self._failures += 1
            self._lost += len(batch)
            _log.error("audit_not_stored", lost=len(batch), error=type(error).__name__)
        else:
            self._stored += len(batch)
        finally:
            self._in_flight = 0
            settled, self._settled = self._settled, trio.Event()
            settled.set()
        return len(batch)

    async def _trim(self) -> None:
        try:
            is_more = True
            while is_more:
                async with self._database.connection() as conn:
                    is_more = (
                        await audit.delete_old(conn, max_age=self._max_age, max_entries=MAX_ENTRIES)
                        > 0
                    )
        except StorageError as error:
            _log.warning("audit_not_trimmed", error=type(error).__name__)


def _entry(use: Use) -> NewAuditEntry:
    return NewAuditEntry(
        at=use.at,
        actor_id=use.user_id,
        action=use.action,
        target=use.target,
        data={
            "who": use.who,
            "outcome": use.outcome,
            "request_id": use.request_id,
            "repeats": use.repeats,
        },
    )


def printable(target: str) -> str:
    """What stands in a path, as the log and PostgreSQL take it."""
    text = target.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(char if char.isprintable() else "?" for char in text)[:TARGET_MAX_CHARACTERS]
