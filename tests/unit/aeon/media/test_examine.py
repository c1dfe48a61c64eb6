"""Files of every kind, whole and damaged: what is found, and that nothing breaks."""

import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeon.media import examine as examine_module
from aeon.media import images
from aeon.media.examine import examine
from aeon.media.facts import Unreadable
from aeon.media.kinds import Format, MediaKind
from aeon.media.waveform import waveform
from tests.helpers.files import made_by_ffmpeg, picture, png_bomb

SOUNDS = ["voice.ogg", "voice.mp3", "voice.m4a", "voice.webm", "sound.flac", "vorbis.ogg"]
FILMS = ["film.mp4", "film.mov", "film.webm"]


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


def found(tmp_path: Path, content: bytes, *, is_voice: bool = False) -> object:
    return examine(write(tmp_path, content), is_voice=is_voice)


@pytest.mark.parametrize("name", ["voice.ogg", "voice.mp3", "voice.m4a", "voice.webm"])
def test_a_waveform_shows_where_it_is_quiet(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(made_by_ffmpeg(name))
    samples = examine(path, is_voice=True).waveform

    assert samples is not None
    third = len(samples) // 3
    margin = third // 5
    quiet = samples[third + margin : 2 * third - margin]
    loud = samples[margin : third - margin] + samples[2 * third + margin : -margin]
    assert sum(quiet) / len(quiet) < 0.75 * sum(loud) / len(loud)


@pytest.mark.parametrize("name", SOUNDS + FILMS)
def test_damaged_files_are_examined_to_an_end(tmp_path: Path, name: str) -> None:
    content = made_by_ffmpeg(name)
    chance = random.Random(7)
    for _ in range(40):
        damaged = bytearray(content[: chance.randrange(1, len(content))])
        for _ in range(chance.randrange(20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        examination = found(tmp_path, bytes(damaged), is_voice=True)
        assert examination is not None


def test_pictures_made_of_crumbs_are_documents(tmp_path: Path) -> None:
    """Fault: half a minute and 1.5 GB for a JPEG of 50 MB that is nothing but empty segments."""
    jpeg, png = picture("JPEG", (64, 48)), picture("PNG", (400, 300))
    behind_ihdr = 8 + 25
    chunk = struct.pack(">I4sI", 0, b"prVt", zlib.crc32(b"prVt"))

    def with_parts(number: int) -> list[bytes]:
        return [
            jpeg[:2] + b"\xff\xe1\0\2" * number + jpeg[2:],
            png[:behind_ihdr] + chunk * number + png[behind_ihdr:],
        ]

    kinds = [
        examine(write(tmp_path, content)).kind for n in (100, 50_000) for content in with_parts(n)
    ]
    assert kinds == [MediaKind.PHOTO, MediaKind.PHOTO, MediaKind.DOCUMENT, MediaKind.DOCUMENT]
    (tmp_path / "file").write_bytes(png[:-12] + chunk * 60_000 + png[-12:])
    with pytest.raises(Unreadable):
        images.make_thumbnail(tmp_path / "file", Format.PNG)


def test_sound_made_of_crumbs_has_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: half a minute for an Ogg file of 42 MB whose packets are empty."""
    content = made_by_ffmpeg("vorbis.ogg")
    empty = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, 99, 0, 0, 255) + bytes(255)
    first_page = content.index(b"OggS", 4)
    path = write(tmp_path, content[:first_page] + empty * 100 + content[first_page:])

    assert examine(path).duration_seconds is not None
    monkeypatch.setattr(examine_module, "_MAX_TAG_READS", 20_000)
    assert examine(path).duration_seconds is None
    assert examine(path).kind is MediaKind.AUDIO


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_damaged_pictures_are_examined_to_an_end(tmp_path: Path, image_format: str) -> None:
    content = picture(image_format, (64, 48))
    chance = random.Random(11)
    path = tmp_path / "file"
    for _ in range(60):
        damaged = bytearray(content[: chance.randrange(1, len(content))])
        for _ in range(chance.randrange(8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        examination = examine(path)
        if examination.image_format is not None:
            try:
                images.make_thumbnail(path, examination.image_format)
            except Unreadable:
                continue


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xfb\x90\x00", b"OggS", b"\x1aE\xdf\xa3webm"]),
)
@settings(deadline=None, max_examples=60)
def test_noise_is_some_document_or_sound(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, head: bytes
) -> None:
    found(tmp_path_factory.getbasetemp(), head + noise + b"x")


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (640, 360)), (6, (360, 640)), (8, (360, 640))]
)
def test_orientation_is_applied(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    path = tmp_path / "file"
    path.write_bytes(picture("JPEG", orientation=orientation))
    examination = examine(path)
    thumbnail = images.make_thumbnail(path, Format.JPEG)

    assert (examination.width, examination.height) == size
    assert (thumbnail.width > thumbnail.height) == (size[0] > size[1])


def test_previews_tell_nothing_of_camera_and_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(picture("JPEG", with_position=True))
    data = images.make_thumbnail(path, Format.JPEG).data

    assert b"SecretCamera" in path.read_bytes()
    assert b"SecretCamera" not in data
    assert b"Exif" not in data
    assert b"EXIF" not in data


def test_a_bomb_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(png_bomb())
    with pytest.raises(Unreadable):
        images.make_thumbnail(path, Format.PNG)
    assert examine(path).kind is MediaKind.DOCUMENT


def test_waveforms() -> None:
    assert waveform([]) is None
    assert waveform([5]) is None
    assert waveform([7] * 500) is None
    assert waveform([0, 10]) == (0, 100)
    drawn = waveform(list(range(1000)))
    assert drawn is not None
    assert (len(drawn), drawn[0], drawn[-1]) == (100, 0, 100)
    assert list(drawn) == sorted(drawn)
