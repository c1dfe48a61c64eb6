"""How long to wait before the next attempt to connect. Pure."""

from __future__ import annotations

import random


class Retrying:
    """Pauses that double up to a bound, and begin anew only after a connection that stood.

    One that is lost as soon as it stands, as behind a proxy that hangs up, counts as an attempt
    that failed.
    """

    def __init__(self, *, first_seconds: float, last_seconds: float, well_seconds: float) -> None:
        """Prepare pauses; ``well_seconds``: what a connection has to stand to count as well."""
        self._first_seconds = first_seconds
        self._last_seconds = last_seconds
        self._well_seconds = well_seconds
        self._next_seconds = first_seconds

    def pause(self, stood_seconds: float) -> float:
        """Give the seconds to wait after a connection that stood this long; 0: it never did.

        They are spread by chance, so that nodes that lost the same Redis come back one by one.
        """
        if stood_seconds >= self._well_seconds:
            self._next_seconds = self._first_seconds
        seconds = self._next_seconds
        self._next_seconds = min(2 * seconds, self._last_seconds)
        return seconds * random.uniform(0.7, 1.3)
