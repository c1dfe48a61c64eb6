"""Files that pages are made of: from the package, with ETags, zipped for those who ask."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import trio
from quart import Response, request
from werkzeug.exceptions import NotFound

from aeon.api.route import is_match


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    zipped: bytes
    etag: str


class Assets:
    """A directory of ``aeon/static``: the files that are named, and no others."""

    def __init__(self, directory: str, types: Mapping[str, str], *, cache_control: str) -> None:
        self._directory = directory
        self._types = types
        self._cache_control = cache_control
        self._loaded: dict[str, _Asset] = {}

    async def respond(self, name: str) -> Response:
        """Answer the request under way with a file, or 304.

        Raises:
            NotFound: there is none of this name.
        """
        if name not in self._types:
            raise NotFound
        asset = self._loaded.get(name)
        if asset is None:
            # Zipping the larger ones takes a fifth of a second.
            asset = await trio.to_thread.run_sync(_load, self._directory, name)
            self._loaded[name] = asset
        is_zipped = request.accept_encodings.quality("gzip") > 0
        content = asset.zipped if is_zipped else asset.content
        response = cached(content, self._types[name], asset.etag, self._cache_control)
        response.headers["Vary"] = "Accept-Encoding, Origin"
        if is_zipped and response.status_code == 200:
            response.headers["Content-Encoding"] = "gzip"
        return response


def _load(directory: str, name: str) -> _Asset:
    content = files("aeon").joinpath("static", directory, name).read_bytes()
    return _Asset(content, gzip.compress(content, 6), etag_of(content))


def cached(content: bytes, content_type: str, etag: str, cache_control: str) -> Response:
    """Answer the request under way with something of a known ETag, or 304."""
    if is_match(request.headers.get("If-None-Match"), etag):
        response = Response(b"", 304)
    else:
        response = Response(content, content_type=content_type)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = cache_control
    return response


def etag_of(content: bytes) -> str:
    """Give a weak ETag: zipped and plain are the same thing."""
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
