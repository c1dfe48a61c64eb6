"""MP4, M4A and QuickTime (ISO/IEC 14496-12): tracks, duration, size, packet sizes.

Reads box headers and the few small boxes that matter, wherever ``moov`` lies; never the samples.
Works on hostile files: every length is checked against its parent, work is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from aeon.media.facts import TrackFacts, Unreadable, sane_duration, sane_side

_MAX_BOXES: Final = 4096
_MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
_MAX_SAMPLES: Final = 500_000


@dataclass(slots=True)
class _Track:
    kind: bytes = b""
    width: int | None = None
    height: int | None = None
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    stop: int


class _Reader:
    """Walks boxes of a file, counting them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self._seen = 0

    def boxes(self, start: int, stop: int) -> Iterator[_Box]:
        position = start
        while position + 8 <= stop:
            self._seen += 1
            if self._seen > _MAX_BOXES:
                raise Unreadable("too many boxes")
            self._file.seek(position)
            header = self._file.read(16)
            if len(header) < 8:
                return
            length, kind = struct.unpack(">I4s", header[:8])
            body = position + 8
            if length == 1 and len(header) == 16:
                length = struct.unpack(">Q", header[8:])[0]
                body = position + 16
            elif length == 0:
                length = stop - position
            end = position + length
            if end < body:
                raise Unreadable("a box shorter than its header")
            yield _Box(kind, body, min(end, stop))
            position = end

    def payload(self, box: _Box, limit: int = _MAX_PAYLOAD_BYTES) -> bytes:
        self._file.seek(box.start)
        return self._file.read(min(box.stop - box.start, limit))


def read_mp4(file: BinaryIO, size: int) -> TrackFacts:
    """Read the facts of a file of ``size`` bytes.

    Raises:
        Unreadable: there is no ``moov`` box with a track.
    """
    reader = _Reader(file, size)
    tracks: list[_Track] = []
    duration: float | None = None
    for box in reader.boxes(0, size):
        if box.kind != b"moov":
            continue
        for inner in reader.boxes(box.start, box.stop):
            if inner.kind == b"mvhd":
                duration = _movie_duration(reader.payload(inner, 64))
            elif inner.kind == b"trak":
                tracks.append(_read_track(reader, inner))
        break
    if not tracks:
        raise Unreadable("no tracks")
    video = next((track for track in tracks if track.kind == b"vide"), None)
    audio = next((track for track in tracks if track.kind == b"soun"), None)
    return TrackFacts(
        has_video=video is not None or audio is None,
        duration_seconds=sane_duration(duration),
        width=sane_side(video.width if video else None),
        height=sane_side(video.height if video else None),
        profile=audio.sizes if audio else (),
    )


def _movie_duration(data: bytes) -> float | None:
    if len(data) >= 32 and data[0] == 1:
        timescale, ticks = struct.unpack(">IQ", data[20:32])
    elif len(data) >= 20 and data[0] == 0:
        timescale, ticks = struct.unpack(">II", data[12:20])
    else:
        return None
    return ticks / timescale if timescale else None


def _read_track(reader: _Reader, track_box: _Box) -> _Track:
    track = _Track()
    for box in reader.boxes(track_box.start, track_box.stop):
        if box.kind == b"tkhd":
            track.width, track.height = _displayed_size(reader.payload(box, 128))
        elif box.kind == b"mdia":
            _read_media(reader, box, track)
    return track


def _read_media(reader: _Reader, media_box: _Box, track: _Track) -> None:
    for box in reader.boxes(media_box.start, media_box.stop):
        if box.kind == b"hdlr":
            track.kind = reader.payload(box, 32)[8:12]
        elif box.kind == b"minf" and track.kind == b"soun":
            for inner in reader.boxes(box.start, box.stop):
                if inner.kind == b"stbl":
                    track.sizes = _sample_sizes(reader, inner)


def _sample_sizes(reader: _Reader, table: _Box) -> tuple[int, ...]:
    for box in reader.boxes(table.start, table.stop):
        if box.kind != b"stsz":
            continue
        data = reader.payload(box)
        if len(data) < 12:
            return ()
        fixed, count = struct.unpack(">II", data[4:12])
        count = min(count, _MAX_SAMPLES, (len(data) - 12) // 4)
        return () if fixed else struct.unpack(f">{count}I", data[12 : 12 + 4 * count])
    return ()


def _displayed_size(data: bytes) -> tuple[int | None, int | None]:
    """Width and height in pixels, turned when the matrix turns by a quarter."""
    matrix = 52 if data[:1] == b"\x01" else 40
    if len(data) < matrix + 44:
        return None, None
    a, b = struct.unpack(">ii", data[matrix : matrix + 8])
    width, height = struct.unpack(">II", data[matrix + 36 : matrix + 44])
    if a == 0 and b != 0:
        width, height = height, width
    return width >> 16, height >> 16
