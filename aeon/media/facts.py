"""What the readers of media formats find, and the one way they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_SIDE: Final = 65_535
MAX_DURATION_SECONDS: Final = 7 * 86_400


class Unreadable(Exception):
    """The bytes are not what their signature promises."""


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What a container says about itself."""

    has_video: bool
    duration_seconds: float | None
    width: int | None = None
    height: int | None = None
    profile: Sequence[int] = ()
    """Loudness or packet sizes, equally spaced in time, for a waveform."""


def sane_side(value: int | None) -> int | None:
    """Keep a width or height that can be true."""
    return value if value is not None and 0 < value <= MAX_SIDE else None


def sane_duration(seconds: float | None) -> float | None:
    """Keep a duration that can be true; drops NaN too."""
    return seconds if seconds is not None and 0 < seconds <= MAX_DURATION_SECONDS else None
