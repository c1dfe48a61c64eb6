"""What the supervisor tells a worker on its command line: who it is, and what it was handed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Orders:
    """One worker's; descriptors are numbers that are the same on both sides."""

    number: int
    """From 1; a successor has its predecessor's."""
    slot: int
    """Its place in the table of turns, and among the beats."""
    table: int
    beats: int
    """Where it counts, so that the supervisor sees that it turns."""
    life: int
    """Reads as ended when the supervisor is gone."""
    ready: int
    """Where the worker says that it listens."""
    sockets: tuple[int, ...]
    """Listening; the secure ones, where there are certificates."""
    insecure_sockets: tuple[int, ...]
    """Listening in the clear, beside secure ones."""
    metrics: int | None
    """Listening, for ``/metrics`` alone; the same for every process with this number."""
    host: str
    port: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that the worker inherits."""
        own = (self.table, self.beats, self.life, self.ready)
        all_of_them = (*own, *self.sockets, *self.insecure_sockets)
        return all_of_them if self.metrics is None else (*all_of_them, self.metrics)

    def to_argument(self) -> str:
        """Write them as one argument."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Orders:
        """Read them back."""
        (text,) = arguments
        values = json.loads(text)
        for name in ("sockets", "insecure_sockets"):
            values[name] = tuple(values[name])
        return cls(**values)
