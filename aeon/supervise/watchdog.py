"""Which workers have stopped turning: each counts in shared memory, the supervisor looks.

A stuck event loop or a stopped process (SIGSTOP) ends nothing and answers nothing, so nobody else
would notice. Clocks are not compared. The supervisor counts its own looks at a count that stands
still, so a machine that slept, or a supervisor that was stopped itself, costs one look.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

import trio

from aeon.net.turns import Table

BEAT_SECONDS: Final = 0.25
LOOKS: Final = 10
"""In the time after which a worker counts as hanging."""

WorkerT = TypeVar("WorkerT", bound=Hashable)


class Pulse:
    """A worker's side; it stands still when the event loop does."""

    def __init__(self, table: Table, slot: int) -> None:
        self._table = table
        self._slot = slot

    async def run(self) -> None:
        """Count until cancelled."""
        beats = 0
        while True:
            beats += 1
            self._table.note(self._slot, beats)
            await trio.sleep(BEAT_SECONDS)


class Watch(Generic[WorkerT]):
    """The supervisor's side: what it saw at its looks."""

    def __init__(self) -> None:
        self._seen: dict[WorkerT, tuple[int, int]] = {}

    def look(self, beats: Mapping[WorkerT, int]) -> list[WorkerT]:
        """Take the count of each worker that should turn; name those that hang.

        A worker hangs when its count stood still for ``LOOKS`` looks. If that is so of all of
        several, the machine is the likelier cause (it swaps, its disk stalls): they get as long
        again.
        """
        still: dict[WorkerT, int] = {}
        for worker, beat in beats.items():
            last_beat, looks = self._seen.get(worker, (None, 0))
            still[worker] = looks + 1 if beat == last_beat else 0
        # Who is not named any more is forgotten.
        self._seen = {worker: (beat, still[worker]) for worker, beat in beats.items()}
        is_all = len(still) > 1 and min(still.values()) >= LOOKS
        patience = 2 * LOOKS if is_all else LOOKS
        return [worker for worker, looks in still.items() if looks >= patience]
