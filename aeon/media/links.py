"""Signed links: whoever has one may read one file until it expires; nobody can make one.

A link is the same for everybody and throughout a window of hours, so that browsers and event
frames can share it; it is handed out only with a message or chat that the reader may see. It
needs no header and no cookie, because ``<img src>`` sends neither.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aeon.wire.links import MEDIA_PATH, PHOTO_REFERENCE
from storage.ids import MediaId
from storage.records import MediaRecord

THUMBNAIL_NAME: Final = "thumbnail.webp"
_PURPOSE: Final = b"aeon media links 1"
_SIGNATURE_BYTES: Final = 16
_EXTENSIONS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/webm": ".webm",
    "application/pdf": ".pdf",
}
_MAX_MEDIA_ID_CHARACTERS: Final = 64


class LinkSigner:
    """Makes and checks signatures; one key per server, derived from ``SECRET_KEY``."""

    def __init__(self, secret_key: str, window_seconds: int, now: Callable[[], float]) -> None:
        self._key = hmac.digest(secret_key.encode(), _PURPOSE, "sha256")
        self._window_seconds = window_seconds
        self._now = now

    def expiry(self) -> int:
        """When links made now expire: the end of the next window, in Unix seconds."""
        return (int(self._now()) // self._window_seconds + 2) * self._window_seconds

    def sign(self, subject: str, expires: int) -> str:
        """Sign what a link is for (a file's id, or its preview) until a moment."""
        digest = hmac.digest(self._key, f"{expires}:{subject}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).rstrip(b"=").decode()

    def query(self, subject: str) -> str:
        """Write the query that makes a link valid."""
        expires = self.expiry()
        return f"e={expires}&s={self.sign(subject, expires)}"

    def remaining_seconds(self, subject: str, expires: str, signature: str) -> int | None:
        """Tell how long a link is still valid; None: forged or expired."""
        if not (expires.isascii() and expires.isdecimal() and len(expires) < 16):
            return None
        expected = self.sign(subject, int(expires))
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return None
        remaining = int(expires) - int(self._now())
        return remaining if remaining > 0 else None


class SignedLinks:
    """Links for one origin (``aeon.wire.links.Links``)."""

    def __init__(self, signer: LinkSigner, origin: str) -> None:
        self._signer = signer
        self._origin = origin

    def file(self, media: MediaRecord) -> str:
        """Link to a file."""
        extension = _EXTENSIONS.get(media.media_type, "")
        return f"{self._origin}{MEDIA_PATH}{media.id}{extension}?{self._signer.query(media.id)}"

    def thumbnail(self, media: MediaRecord) -> str | None:
        """Link to its preview."""
        if not media.has_thumbnail:
            return None
        query = self._signer.query(thumbnail_subject(media.id))
        return f"{self._origin}{MEDIA_PATH}{media.id}/{THUMBNAIL_NAME}?{query}"

    def photo(self, stored: str | None) -> str | None:
        """Link to a chat's photo that was uploaded here; others as they are."""
        if stored is None or not stored.startswith(PHOTO_REFERENCE):
            return stored
        media_id = stored.removeprefix(PHOTO_REFERENCE)
        return f"{self._origin}{MEDIA_PATH}{media_id}?{self._signer.query(media_id)}"


class LinkMaker:
    """Gives the links for who asks."""

    def __init__(self, signer: LinkSigner, public_url: str | None) -> None:
        self._signer = signer
        self._public_url = public_url
        self.public = SignedLinks(signer, public_url or "")
        """For frames, which are the same for everybody: under ``PUBLIC_URL``, or relative to
        the server when it has none. What somebody's Host header says must not reach others."""

    def for_origin(self, origin: str) -> SignedLinks:
        """Links for the answer to one request, which came to this origin."""
        return self.public if self._public_url else SignedLinks(self._signer, origin)

    def media_id_of(self, url: str) -> MediaId | None:
        """Name the file behind a link of ours that is valid; None for anything else."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if not parts.path.startswith(MEDIA_PATH):
            return None
        media_id = media_id_of_name(parts.path.removeprefix(MEDIA_PATH))
        query = parse_qs(parts.query)
        expires, signature = query.get("e", [""])[0], query.get("s", [""])[0]
        if self._signer.remaining_seconds(media_id, expires, signature) is None:
            return None
        return media_id


def media_id_of_name(name: str) -> MediaId:
    """Take the extension off, which is there for people and tools only."""
    return MediaId(name.partition(".")[0][:_MAX_MEDIA_ID_CHARACTERS])


def thumbnail_subject(media_id: str) -> str:
    """What a preview's link is signed for: it does not open the file itself."""
    return f"thumbnail/{media_id}"
