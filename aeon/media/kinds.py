"""What a file is, told from its first and last bytes. Names and announced types are not asked.

A first guess: containers (MP4, WebM, Ogg) still have to be looked into, see ``examine``. When in
doubt a file is a document, because documents are only ever offered for saving.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import filetype  # type: ignore[import-untyped] # ships no types

HEAD_BYTES: Final = 8192
TAIL_BYTES: Final = 65_557
"""A zip's end record: 22 bytes and a comment of up to 65,535."""


class MediaKind(StrEnum):
    """``message_type`` of a message that carries a file."""

    PHOTO = "photo"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"


class Format(StrEnum):
    """Formats that are looked into; the value is the MIME type of their plainest use."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"
    WEBP = "image/webp"
    MP4 = "video/mp4"
    QUICKTIME = "video/quicktime"
    WEBM = "video/webm"
    MP3 = "audio/mpeg"
    FLAC = "audio/flac"
    OGG = "audio/ogg"


IMAGES: Final = frozenset({Format.JPEG, Format.PNG, Format.GIF, Format.WEBP})
UNKNOWN_TYPE: Final = "application/octet-stream"

_MARKUP: Final = re.compile(
    rb"<(?:!doctype|html|head|body|script|iframe|svg|\?xml|img|object|embed|style|meta)[\s>/]",
    re.IGNORECASE,
)
_STILL_IMAGE_BRANDS: Final = frozenset({b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"})


def sniff_format(head: bytes) -> Format | None:
    """Recognise a format by its signature, wherever a browser would do the same."""
    if head.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Format.GIF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp":
        return _sniff_iso_brand(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Format.WEBM if b"webm" in head[:64] else None
    if head.startswith(b"fLaC"):
        return Format.FLAC
    if head.startswith(b"OggS"):
        return Format.OGG
    if head.startswith(b"ID3") or _is_mp3_frame(head):
        return Format.MP3
    return None


def has_markup(head: bytes) -> bool:
    """Whether a browser that guesses could take it for HTML, SVG or XML."""
    return _MARKUP.search(head.replace(b"\x00", b"")) is not None


def has_zip_end(tail: bytes) -> bool:
    """Whether a zip reader would open it, whatever stands in front (GIFAR)."""
    return b"PK\x05\x06" in tail


def document_type(head: bytes) -> str:
    """Name a document's MIME type as well as its bytes allow."""
    if has_markup(head):
        lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if b"<svg" in lowered:
            return "image/svg+xml"
        return "text/xml" if lowered.startswith(b"<?xml") else "text/html"
    guess = filetype.guess_mime(head)
    if guess is not None:
        return str(guess)
    return "text/plain" if _is_text(head) else UNKNOWN_TYPE


def _sniff_iso_brand(brand: bytes) -> Format | None:
    if brand == b"qt  ":
        return Format.QUICKTIME
    if brand in _STILL_IMAGE_BRANDS:
        return None
    return Format.MP4


def _is_mp3_frame(head: bytes) -> bool:
    """MPEG 1, 2 or 2.5, layer III, with a possible bit rate and sample rate."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[1] & 0x18 != 0x08
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True
