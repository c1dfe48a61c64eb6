"""Where files are reached from outside: what encoders need to know of links.

The real ones are signed (``aeon.media.links``). A chat's photo that was uploaded here lies in
storage as a reference, because links expire.
"""

from __future__ import annotations

from typing import Final, Protocol

from storage.records import MediaRecord

MEDIA_PATH: Final = "/media/"
PHOTO_REFERENCE: Final = "media:"
"""Begins a stored ``photo_url`` that names an uploaded file. No client can send it: what they
send begins with http or a slash."""


class Links(Protocol):
    """Makes links for one audience (an origin)."""

    def file(self, media: MediaRecord) -> str:
        """Link to a file."""
        ...

    def thumbnail(self, media: MediaRecord) -> str | None:
        """Link to its preview, if it has one."""
        ...

    def photo(self, stored: str | None) -> str | None:
        """Turn a stored ``photo_url`` into one that works."""
        ...


class PlainLinks:
    """Paths without origin and signature: for encoders that nobody loads files from."""

    def file(self, media: MediaRecord) -> str:
        """Link to a file."""
        return MEDIA_PATH + media.id

    def thumbnail(self, media: MediaRecord) -> str | None:
        """Link to its preview, if it has one."""
        return f"{MEDIA_PATH}{media.id}/thumbnail.webp" if media.has_thumbnail else None

    def photo(self, stored: str | None) -> str | None:
        """Turn a stored ``photo_url`` into a path."""
        if stored is None or not stored.startswith(PHOTO_REFERENCE):
            return stored
        return MEDIA_PATH + stored.removeprefix(PHOTO_REFERENCE)


PLAIN: Final = PlainLinks()
