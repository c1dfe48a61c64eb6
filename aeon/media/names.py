"""File names as people sent them, made harmless: shown and offered for saving, never a path."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

MAX_CHARACTERS: Final = 255
_MAX_SUFFIX_CHARACTERS: Final = 16
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (direction overrides hide an .exe), surrogate, private and unassigned
characters, line and paragraph separators."""
_WINDOWS_FORBIDDEN: Final = frozenset('<>:"|?*')


def clean_filename(raw: str | None) -> str | None:
    """Keep the last part of a name without what could mislead a person or a file system."""
    if raw is None:
        return None
    name = unicodedata.normalize("NFC", raw).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(
        character
        for character in name
        if unicodedata.category(character) not in _FORBIDDEN_CATEGORIES
        and character not in _WINDOWS_FORBIDDEN
    )
    name = name.strip(" .")
    if not name:
        return None
    if len(name) <= MAX_CHARACTERS:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or len(suffix) > _MAX_SUFFIX_CHARACTERS:
        return name[:MAX_CHARACTERS].rstrip(" .")
    return f"{stem[: MAX_CHARACTERS - len(suffix) - 1].rstrip(' .')}.{suffix}"


def content_disposition(kind: str, filename: str | None) -> str:
    """Write the header for ``inline`` or ``attachment`` (RFC 6266, with RFC 8187 for the rest)."""
    if filename is None:
        return kind
    ascii_name = filename.encode("ascii", "replace").decode().replace('"', "'")
    ascii_name = ascii_name.replace("\\", "_").replace("%", "_")
    header = f'{kind}; filename="{ascii_name}"'
    if ascii_name != filename:
        header += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return header
