"""A voice message's outline: up to 100 loudness samples for the bar a client draws.

Nothing is decoded; that would need a codec library many times the size of this server. MP3 says
how loud each granule is (its global gain). Opus and AAC do not, but with a variable bit rate they
spend bytes where something is to be heard, so packet sizes show speech and pauses. A constant bit
rate shows nothing: then there is no waveform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_SAMPLES: Final = 100
TOP: Final = 100
"""Samples lie between 0 and this."""


def waveform(values: Sequence[int]) -> tuple[int, ...] | None:
    """Draw values, equally spaced in time, with up to ``MAX_SAMPLES`` samples.

    None when they are too few or all alike.
    """
    if len(values) < 2:
        return None
    count = min(MAX_SAMPLES, len(values))
    means = []
    for index in range(count):
        part = values[index * len(values) // count : (index + 1) * len(values) // count]
        means.append(sum(part) / len(part))
    low, high = min(means), max(means)
    if high - low < max(1.0, high * 0.05):
        return None
    return tuple(round((mean - low) / (high - low) * TOP) for mean in means)
