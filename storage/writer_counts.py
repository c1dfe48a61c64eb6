"""What the group writer counts, and the snapshot others read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from storage.commands import Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.distribution import Distribution, DistributionSnapshot
from storage.events import DurableEvent

COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
BATCH_COMMANDS: Final = tuple(2**power for power in range(11))
_OUTCOMES: Final = (*(kind for kind in get_args(Outcome) if kind is not Rejected), *RejectReason)
_WRITTEN: Final = (Committed, CursorMoved)
"""Outcomes that changed rows."""
_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """A snapshot; the counts only grow."""

    queued_commands: int
    in_flight_commands: int
    lanes: int
    batches: int
    """Transactions tried."""
    commands: int
    """Commands answered with an outcome."""
    commits: int
    """Transactions that wrote something and committed."""
    retries: int
    """Batches tried again after a conflict, whole or in parts."""
    refused: int
    """Appends refused because the queue was full."""
    unavailable: int
    """Appends that failed because the database was away or too slow."""
    unknown: int
    """Appends whose outcome is not known."""
    defects: int
    """Commands that failed by a fault of ours; the log has the traceback."""
    last_commit_seconds: float
    """How long the last transaction took, from taking the batch to its answer."""
    commit_seconds: DistributionSnapshot
    """The same of all that were answered."""
    batch_commands: DistributionSnapshot
    """Commands of each transaction tried."""
    outcomes: Mapping[str, int]
    """Commands by outcome: ``committed``, ``duplicate``, ..., or the reason of a refusal."""
    events: Mapping[str, int]
    """Events committed, by type."""


class WriterCounts:
    """The writer's own tally; nothing here waits or fails."""

    def __init__(self) -> None:
        self.batches = self.commands = self.commits = self.retries = 0
        self.refused = self.unavailable = self.unknown = self.defects = 0
        self.last_commit_seconds = 0.0
        self._commit_seconds = Distribution(COMMIT_SECONDS)
        self._batch_commands = Distribution(BATCH_COMMANDS)
        self._outcomes: Counter[type[Outcome] | RejectReason] = Counter()
        self._events: Counter[type[DurableEvent]] = Counter()

    def tried(self, size: int) -> None:
        """Count a transaction of ``size`` commands."""
        self.batches += 1
        self._batch_commands.observe(size)

    def answered(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Count a transaction that got its answer, and what became of each command."""
        self.commands += len(outcomes)
        self.last_commit_seconds = seconds
        self._commit_seconds.observe(seconds)
        self._outcomes.update(map(type, outcomes))
        self._events.update(
            [type(event) for one in outcomes if type(one) is Committed for event in one.events]
        )
        refusals = [one.reason for one in outcomes if type(one) is Rejected]
        if refusals:
            self._outcomes.update(refusals)
        self.commits += any(isinstance(one, _WRITTEN) for one in outcomes)

    def snapshot(self, *, queued: int, in_flight: int, lanes: int) -> WriterStatistics:
        """Give the counts, with what the writer has in its hands."""
        return WriterStatistics(
            queued_commands=queued,
            in_flight_commands=in_flight,
            lanes=lanes,
            batches=self.batches,
            commands=self.commands,
            commits=self.commits,
            retries=self.retries,
            refused=self.refused,
            unavailable=self.unavailable,
            unknown=self.unknown,
            defects=self.defects,
            last_commit_seconds=self.last_commit_seconds,
            commit_seconds=self._commit_seconds.snapshot(),
            batch_commands=self._batch_commands.snapshot(),
            outcomes={_name(outcome): self._outcomes[outcome] for outcome in _OUTCOMES},
            events={_name(event): self._events[event] for event in get_args(DurableEvent)},
        )


def _name(key: type | RejectReason) -> str:
    return (
        key.value if isinstance(key, RejectReason) else _WORD_START.sub("_", key.__name__).lower()
    )
