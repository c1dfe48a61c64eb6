"""Looks into a complete file and says what it is and what a message shows of it.

Blocks: call it in a worker thread. Never fails for what is in the file: a file that is not what
its signature promises is a document.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tinytag import TinyTag, TinyTagException

from aeon.media import images, kinds, ogg
from aeon.media.crumbs import CountedFile
from aeon.media.facts import Unreadable, sane_duration
from aeon.media.kinds import Format, MediaKind
from aeon.media.mp3 import read_mp3
from aeon.media.mp4 import read_mp4
from aeon.media.waveform import waveform
from aeon.media.webm import read_webm

_VOICE_TYPES: Final = frozenset({"audio/ogg", "audio/mpeg", "audio/mp4", "audio/webm"})
_MAX_TAG_READS: Final = 500_000
"""An Ogg file of 50 MB takes a third of them: one for each packet."""
_TAG_FAULTS: Final = (
    TinyTagException,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a file."""

    kind: MediaKind
    media_type: str
    image_format: Format | None = None
    """Set for pictures: what ``images.make_thumbnail`` needs."""
    width: int | None = None
    height: int | None = None
    duration_seconds: int | None = None
    waveform: tuple[int, ...] | None = None


def examine(path: Path, *, is_voice: bool = False) -> Examination:
    """Tell a file's kind by its content.

    ``is_voice``: recorded as a voice message; believed of formats that voices are recorded in.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(kinds.HEAD_BYTES)
        file.seek(max(0, size - kinds.TAIL_BYTES))
        tail = file.read()
        found = kinds.sniff_format(head)
        if found is None:
            return Examination(MediaKind.DOCUMENT, kinds.document_type(head))
        if _is_polyglot(found, head, tail):
            return Examination(MediaKind.DOCUMENT, kinds.UNKNOWN_TYPE)
        try:
            examination = _look_into(found, path, file, size, head)
        except Unreadable:
            return Examination(MediaKind.DOCUMENT, kinds.UNKNOWN_TYPE)
    if is_voice and examination.kind is MediaKind.AUDIO and examination.media_type in _VOICE_TYPES:
        return Examination(
            MediaKind.VOICE,
            examination.media_type,
            duration_seconds=examination.duration_seconds,
            waveform=examination.waveform,
        )
    return examination


def _is_polyglot(found: Format, head: bytes, tail: bytes) -> bool:
    """Whether something else could be started out of it.

    Titles and comments in audio and video may hold any text, so markup counts in pictures only.
    """
    return kinds.has_zip_end(tail) or (found in kinds.IMAGES and kinds.has_markup(head))


def _look_into(found: Format, path: Path, file: BinaryIO, size: int, head: bytes) -> Examination:
    match found:
        case Format.JPEG | Format.PNG | Format.GIF | Format.WEBP:
            width, height = images.read_size(path, found)
            return Examination(MediaKind.PHOTO, found.value, found, width, height)
        case Format.MP4 | Format.QUICKTIME | Format.WEBM:
            return _video_or_audio(found, file, size)
        case Format.MP3:
            mp3 = read_mp3(file, size)
            return _audio(found.value, mp3.duration_seconds, mp3.gains)
        case Format.FLAC:
            return _audio(found.value, _tagged_duration(file))
        case Format.OGG:
            codec = ogg.codec_of(head)
            if codec is None:
                raise Unreadable("not audio")
            if codec == "opus":
                opus = ogg.read_opus(file, size)
                return _audio(found.value, opus.duration_seconds, opus.packet_sizes)
            return _audio(found.value, _tagged_duration(file))


def _video_or_audio(found: Format, file: BinaryIO, size: int) -> Examination:
    facts = read_webm(file, size) if found is Format.WEBM else read_mp4(file, size)
    if not facts.has_video:
        media_type = "audio/webm" if found is Format.WEBM else "audio/mp4"
        return _audio(media_type, facts.duration_seconds, facts.profile)
    return Examination(
        MediaKind.VIDEO,
        found.value,
        width=facts.width,
        height=facts.height,
        duration_seconds=_whole_seconds(facts.duration_seconds),
    )


def _audio(media_type: str, seconds: float | None, profile: Sequence[int] = ()) -> Examination:
    return Examination(
        MediaKind.AUDIO,
        media_type,
        duration_seconds=_whole_seconds(seconds),
        waveform=waveform(profile),
    )


def _tagged_duration(file: BinaryIO) -> float | None:
    parts = CountedFile(file, _MAX_TAG_READS).as_binary()
    parts.seek(0)
    try:
        return sane_duration(TinyTag.get(file_obj=parts, tags=False, duration=True).duration)
    except _TAG_FAULTS:
        return None


def _whole_seconds(seconds: float | None) -> int | None:
    """Round for display; what can be heard lasts at least one second."""
    return None if seconds is None else max(1, round(seconds))
