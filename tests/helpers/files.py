"""Small real files of each kind, made on the spot; sound and moving pictures by ffmpeg."""

import io
import shutil
import struct
import subprocess
import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

FFMPEG = shutil.which("ffmpeg")

SOUND = "sine=frequency=440:duration=3,volume='if(between(t,1,2),0.01,1)':eval=frame"
PICTURE = "testsrc=size=320x180:duration=2:rate=15"
RECIPES: dict[str, tuple[str, ...]] = {
    "voice.ogg": ("-i", SOUND, "-c:a", "libopus", "-b:a", "24k"),
    "voice.mp3": ("-i", SOUND, "-c:a", "libmp3lame"),
    "voice.m4a": ("-i", SOUND, "-c:a", "aac"),
    "sound.flac": ("-i", SOUND, "-c:a", "flac"),
    "vorbis.ogg": ("-i", SOUND, "-c:a", "libvorbis"),
    "voice.webm": ("-i", SOUND, "-c:a", "libopus"),
    "film.mp4": ("-i", PICTURE, "-c:v", "libx264", "-pix_fmt", "yuv420p"),
    "film.webm": ("-i", PICTURE, "-c:v", "libvpx"),
    "film.mov": ("-i", PICTURE, "-c:v", "mpeg4"),
}


def picture(
    image_format: str = "JPEG",
    size: tuple[int, int] = (640, 360),
    *,
    orientation: int | None = None,
    color: tuple[int, ...] = (200, 30, 40),
    with_position: bool = False,
) -> bytes:
    """A picture, red but for a blue left half, so that its orientation shows."""
    image = Image.new("RGB", size, color)
    image.paste((20, 40, 200), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    if with_position:
        exif[0x010F] = "SecretCamera"
        exif.get_ifd(0x8825)[1] = "N"
    buffer = io.BytesIO()
    image.save(buffer, image_format, exif=exif)
    return buffer.getvalue()


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that claims to be gigabytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(4_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@cache
def made_by_ffmpeg(name: str) -> bytes:
    """A file of ``RECIPES``; skips where ffmpeg is not installed."""
    if FFMPEG is None:
        pytest.skip("needs ffmpeg (Debian: apt-get install ffmpeg)")
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        subprocess.run(
            [FFMPEG, "-loglevel", "error", "-f", "lavfi", *RECIPES[name], str(path)], check=True
        )
        return path.read_bytes()
