"""MP3 frames (ISO/IEC 11172-3, 13818-3): duration and how loud each frame is.

Only headers and side information are read: its ``global_gain`` is the frame's volume in steps of
1.5 dB, so a waveform needs no decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

from aeon.media.facts import Unreadable, sane_duration

_RATES: Final = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
_KBITS_V1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_VERSION_1: Final = 3
_MONO: Final = 3
_MAX_FRAMES: Final = 600_000
_MAX_RESYNC_BYTES: Final = 64 * 1024
_SILENT_GAIN: Final = 100
"""Below this nothing is heard; encoders write 0 to 100 for silence."""


@dataclass(frozen=True, slots=True)
class Mp3Facts:
    """Duration, and one loudness per frame."""

    duration_seconds: float
    gains: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    length: int
    seconds: float
    gain_bit: int
    """Where the first ``global_gain`` begins, in bits after the header (and checksum)."""
    has_checksum: bool


def read_mp3(file: BinaryIO, size: int) -> Mp3Facts:
    """Walk over the frames.

    Raises:
        Unreadable: fewer than two frames follow each other.
    """
    position = _after_id3(file)
    seconds = 0.0
    gains: list[int] = []
    skipped = 0
    while position + 4 <= size and len(gains) < _MAX_FRAMES:
        file.seek(position)
        data = file.read(48)
        frame = _parse_header(data)
        if frame is None:
            if gains and len(gains) > 1:
                break
            position, skipped = position + 1, skipped + 1
            gains.clear()
            seconds = 0.0
            if skipped > _MAX_RESYNC_BYTES:
                break
            continue
        gains.append(_gain(data, frame))
        seconds += frame.seconds
        position += frame.length
    duration = sane_duration(seconds)
    if len(gains) < 2 or duration is None:
        raise Unreadable("no frames")
    return Mp3Facts(duration_seconds=duration, gains=tuple(gains))


def _after_id3(file: BinaryIO) -> int:
    file.seek(0)
    header = file.read(10)
    if header[:3] != b"ID3" or len(header) < 10:
        return 0
    length = 0
    for byte in header[6:10]:
        length = length << 7 | (byte & 0x7F)
    return 10 + length


def _parse_header(data: bytes) -> _Frame | None:
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return None
    version = data[1] >> 3 & 3
    bit_rate, sample_rate, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version not in _RATES or bit_rate in (0, 15) or sample_rate == 3:
        return None
    is_v1 = version == _VERSION_1
    bits_per_second = (_KBITS_V1 if is_v1 else _KBITS_V2)[bit_rate] * 1000
    hertz = _RATES[version][sample_rate]
    samples = 1152 if is_v1 else 576
    is_mono = data[3] >> 6 == _MONO
    # Side information up to the first granule: main_data_begin, private bits, scfsi; then
    # part2_3_length (12) and big_values (9) precede global_gain (8).
    head_bits = (
        (9 + (5 if is_mono else 3) + (4 if is_mono else 8))
        if is_v1
        else (8 + (1 if is_mono else 2))
    )
    return _Frame(
        length=samples // 8 * bits_per_second // hertz + padding,
        seconds=samples / hertz,
        gain_bit=head_bits + 21,
        has_checksum=not data[1] & 1,
    )


def _gain(data: bytes, frame: _Frame) -> int:
    side = data[6 if frame.has_checksum else 4 :]
    bits = int.from_bytes(side[:8].ljust(8, b"\x00"), "big")
    gain = bits >> (64 - frame.gain_bit - 8) & 0xFF
    return max(gain, _SILENT_GAIN) - _SILENT_GAIN
