"""Pictures: their size as shown, and small WebP previews without their metadata.

Everything here blocks and may take hundreds of milliseconds: call it in a worker thread.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from aeon.media.crumbs import CountedFile
from aeon.media.facts import Unreadable
from aeon.media.kinds import Format

MAX_PIXELS: Final = 64_000_000
"""Larger pictures are not decoded, because that takes 3 bytes of memory a pixel and more. They
are kept as documents."""
THUMBNAIL_SIDE: Final = 320
_THUMBNAIL_QUALITY: Final = 75
_ORIENTATION: Final = 0x0112
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})

# Pillow only warns up to twice its limit; a bomb is refused at the limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_FAULTS: Final = (
    OSError,  # truncated or not an image at all
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    NotImplementedError,
    struct.error,
    MemoryError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What decoders raise on hostile bytes: all of it means that this is no picture for us."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A preview, complete in memory: a few tens of kilobytes."""

    data: bytes
    width: int
    height: int


def read_size(path: Path, image_format: Format) -> tuple[int, int]:
    """Read width and height as shown, after the EXIF orientation. Decodes no pixel.

    Raises:
        Unreadable: no picture of this format, or one of too many pixels.
    """
    try:
        with _opened(path, image_format) as image:
            width, height = image.size
            if _orientation(image) in _SIDEWAYS:
                width, height = height, width
    except _FAULTS as error:
        raise Unreadable(str(error)) from error
    return width, height


def make_thumbnail(path: Path, image_format: Format) -> Thumbnail:
    """Make a preview whose longer side is at most ``THUMBNAIL_SIDE``; the first frame counts.

    Raises:
        Unreadable: the picture can not be decoded to its end.
    """
    try:
        with _opened(path, image_format) as image:
            # For JPEG this decodes at a fraction of the size.
            image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), reducing_gap=2.0)
            preview = _upright(image)
            preview = preview.convert("RGBA" if preview.has_transparency_data else "RGB")
            preview.info.clear()
            buffer = io.BytesIO()
            preview.save(buffer, "WEBP", quality=_THUMBNAIL_QUALITY, method=2, exif=b"")
    except _FAULTS as error:
        raise Unreadable(str(error)) from error
    return Thumbnail(buffer.getvalue(), preview.width, preview.height)


@contextmanager
def _opened(path: Path, image_format: Format) -> Iterator[Image.Image]:
    with path.open("rb") as file:
        parts = CountedFile(file).as_binary()
        with Image.open(parts, formats=[image_format.name]) as image:
            yield image


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _FAULTS:
        return image.copy()


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _FAULTS:
        return 1
