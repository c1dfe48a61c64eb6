"""WebM (EBML, RFC 8794; Matroska, RFC 9559): tracks, duration, size.

Browsers' recorders write neither a duration nor cluster lengths; the duration is then the time of
the last block.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from aeon.media.facts import TrackFacts, Unreadable, sane_duration, sane_side

_EBML: Final = 0x1A45DFA3
_SEGMENT: Final = 0x18538067
_INFO: Final = 0x1549A966
_TIMESTAMP_SCALE: Final = 0x2AD7B1
_DURATION: Final = 0x4489
_TRACKS: Final = 0x1654AE6B
_TRACK_ENTRY: Final = 0xAE
_TRACK_TYPE: Final = 0x83
_VIDEO: Final = 0xE0
_PIXEL_WIDTH: Final = 0xB0
_PIXEL_HEIGHT: Final = 0xBA
_CLUSTER: Final = 0x1F43B675
_TIMESTAMP: Final = 0xE7
_BLOCK_GROUP: Final = 0xA0
_BLOCK: Final = 0xA1
_SIMPLE_BLOCK: Final = 0xA3

_CONTAINERS: Final = frozenset({_SEGMENT, _INFO, _TRACKS, _TRACK_ENTRY, _VIDEO, _CLUSTER})
_NUMBERS: Final = frozenset(
    {_TIMESTAMP_SCALE, _TRACK_TYPE, _PIXEL_WIDTH, _PIXEL_HEIGHT, _TIMESTAMP}
)
_BLOCKS: Final = frozenset({_BLOCK, _SIMPLE_BLOCK})
_MAX_ELEMENTS: Final = 400_000
_VIDEO_TRACK: Final = 1
_MAX_FLOAT_BYTES: Final = 8


@dataclass(slots=True)
class _Facts:
    scale_ns: int = 1_000_000
    duration_ticks: float | None = None
    has_video: bool = False
    tracks: int = 0
    width: int | None = None
    height: int | None = None
    cluster_ticks: int = 0
    last_ticks: int = 0
    block_sizes: list[int] = field(default_factory=list)


class _Walk:
    """Steps through elements; containers are entered, everything else is stepped over."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.facts = _Facts()

    def run(self) -> _Facts:
        position = 0
        for _ in range(_MAX_ELEMENTS):
            if position >= self._size:
                break
            self._file.seek(position)
            header = self._file.read(12)
            identifier, id_bytes = _read_vint(header, 0, keep_marker=True)
            length, length_bytes = _read_vint(header, id_bytes, keep_marker=False)
            body = position + id_bytes + length_bytes
            is_unknown = length == (1 << (7 * length_bytes)) - 1
            if identifier in _CONTAINERS or identifier == _BLOCK_GROUP:
                position = body
                self._enter(identifier)
                continue
            if is_unknown:
                break
            self._take(identifier, body, length)
            position = body + length
        return self.facts

    def _enter(self, identifier: int) -> None:
        if identifier == _TRACK_ENTRY:
            self.facts.tracks += 1

    def _take(self, identifier: int, body: int, length: int) -> None:
        facts = self.facts
        if identifier in _BLOCKS:
            self._file.seek(body)
            data = self._file.read(min(length, 12))
            _, track_bytes = _read_vint(data, 0, keep_marker=False)
            if len(data) >= track_bytes + 2:
                (relative,) = struct.unpack(">h", data[track_bytes : track_bytes + 2])
                facts.last_ticks = max(facts.last_ticks, facts.cluster_ticks + relative)
                if not facts.has_video:
                    facts.block_sizes.append(length)
        elif identifier == _DURATION and length in (4, _MAX_FLOAT_BYTES):
            self._file.seek(body)
            data = self._file.read(length)
            if len(data) == length:
                (facts.duration_ticks,) = struct.unpack(">f" if length == 4 else ">d", data)
        elif identifier in _NUMBERS and length <= _MAX_FLOAT_BYTES:
            self._file.seek(body)
            self._number(identifier, int.from_bytes(self._file.read(length), "big"))

    def _number(self, identifier: int, value: int) -> None:
        facts = self.facts
        if identifier == _TIMESTAMP_SCALE:
            facts.scale_ns = value
        elif identifier == _TRACK_TYPE:
            facts.has_video = facts.has_video or value == _VIDEO_TRACK
        elif identifier == _PIXEL_WIDTH:
            facts.width = value
        elif identifier == _PIXEL_HEIGHT:
            facts.height = value
        elif identifier == _TIMESTAMP:
            facts.cluster_ticks = value


def read_webm(file: BinaryIO, size: int) -> TrackFacts:
    """Read the facts of a file of ``size`` bytes.

    Raises:
        Unreadable: no tracks, or an element that breaks the rules before any was found.
    """
    walk = _Walk(file, size)
    try:
        facts = walk.run()
    except Unreadable:
        facts = walk.facts
    if not facts.tracks:
        raise Unreadable("no tracks")
    ticks = facts.duration_ticks if facts.duration_ticks else float(facts.last_ticks)
    return TrackFacts(
        has_video=facts.has_video,
        duration_seconds=sane_duration(ticks * facts.scale_ns / 1e9),
        width=sane_side(facts.width),
        height=sane_side(facts.height),
        profile=() if facts.has_video else facts.block_sizes,
    )


def _read_vint(data: bytes, start: int, *, keep_marker: bool) -> tuple[int, int]:
    """Read a variable-length integer; gives it and how many bytes it took."""
    if start >= len(data) or data[start] == 0:
        raise Unreadable("not an EBML number")
    length = 9 - data[start].bit_length()
    if start + length > len(data):
        raise Unreadable("the file ends in a number")
    value = int.from_bytes(data[start : start + length], "big")
    if not keep_marker:
        value &= (1 << (7 * length)) - 1
    return value, length
