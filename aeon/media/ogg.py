"""Ogg (RFC 3533) with Opus (RFC 7845): codec, duration, packet sizes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from aeon.media.facts import Unreadable, sane_duration

_PAGE: Final = struct.Struct("<4sBBqIIIB")
_MAX_PAGES: Final = 50_000
_OPUS_RATE: Final = 48_000
_HEADER_PACKETS: Final = 2


@dataclass(frozen=True, slots=True)
class OpusFacts:
    """What an Ogg/Opus file tells without decoding."""

    duration_seconds: float | None
    packet_sizes: tuple[int, ...]


def codec_of(head: bytes) -> str | None:
    """Name the first stream's codec: opus, vorbis, flac, or None."""
    if len(head) < _PAGE.size or not head.startswith(b"OggS"):
        return None
    body = _PAGE.size + head[26]
    first = head[body : body + 8]
    if first == b"OpusHead":
        return "opus"
    if first[:7] == b"\x01vorbis":
        return "vorbis"
    return "flac" if first[:5] == b"\x7fFLAC" else None


def read_opus(file: BinaryIO, size: int) -> OpusFacts:
    """Read packet sizes and the duration.

    Raises:
        Unreadable: it is not one Opus stream in Ogg pages.
    """
    sizes: list[int] = []
    pre_skip = 0
    last_granule = 0
    serial: int | None = None
    carried = 0
    for page in _pages(file, size):
        if serial is None:
            serial = page.serial
            file.seek(page.body)
            header = file.read(19)
            if len(header) < 12 or not header.startswith(b"OpusHead"):
                raise Unreadable("no Opus header")
            (pre_skip,) = struct.unpack_from("<H", header, 10)
        if page.serial != serial:
            continue
        last_granule = max(last_granule, page.granule)
        for lacing in page.lacing:
            carried += lacing
            if lacing < 255:
                sizes.append(carried)
                carried = 0
    if serial is None:
        raise Unreadable("no pages")
    return OpusFacts(
        duration_seconds=sane_duration((last_granule - pre_skip) / _OPUS_RATE),
        packet_sizes=tuple(sizes[_HEADER_PACKETS:]),
    )


@dataclass(frozen=True, slots=True)
class _Page:
    granule: int
    serial: int
    lacing: bytes
    body: int


def _pages(file: BinaryIO, size: int) -> Iterator[_Page]:
    position = 0
    for _ in range(_MAX_PAGES):
        file.seek(position)
        header = file.read(_PAGE.size)
        if len(header) < _PAGE.size:
            return
        capture, _, _, granule, serial, _, _, segments = _PAGE.unpack(header)
        if capture != b"OggS":
            return
        lacing = file.read(segments)
        body = position + _PAGE.size + segments
        yield _Page(granule=granule, serial=serial, lacing=lacing, body=body)
        position = body + sum(lacing)
        if position > size:
            return
