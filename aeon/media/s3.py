"""The object store over anything that speaks S3.

Rules of this file:

- The client is blocking and lives in worker threads, whose number is bounded: nothing here can
  hold up the event loop. Memory is bounded by ``PART_BYTES`` times parts and puts at a time.
- A put is one request, or a multipart upload whose last request makes it visible: readers see
  all of an object or nothing.
- What the store answers stays in the log; people are told that files are away, or that there is
  no room.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import obstore
import structlog
import trio
from obstore.exceptions import BaseError
from obstore.store import S3Store as Client

from aeon.media.errors import StorageFull, StoreRefused, StoreUnavailable
from aeon.media.store import CHUNK_BYTES, ObjectMissing, check_key, refusing_when_full

PART_BYTES: Final = 5 * 1024 * 1024
"""The least that S3 takes as a part of an upload."""
PARTS_AT_ONCE: Final = 2
PUTS_AT_ONCE: Final = 4
READS_AT_ONCE: Final = 16
_FOLDER: Final = "objects/"
_FULL: Final = re.compile(r"\b507\b|InsufficientStorage|QuotaExceeded|StorageFull|TooManyBytes")
_REFUSED: Final = re.compile(r"\b(?:401|403)\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNot")
_NO_BUCKET: Final = re.compile(r"\b404\b|NoSuchBucket")

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects lie, and who asks."""

    name: str
    access_key: str
    secret_key: str
    url: str | None = None
    """None: Amazon's, by the region."""
    region: str = "us-east-1"
    timeout_seconds: float = 30.0
    """Without any bytes, until a request is given up."""
    retry_seconds: float = 10.0


class S3Store:
    """Contents as objects ``objects/<key>`` of one bucket. Implements ``ObjectStore``."""

    def __init__(self, bucket: Bucket, scratch: Path) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            bucket: what to use.
            scratch: a local directory for files that have to be looked into.
        """
        self._client = _client(bucket)
        self._name = bucket.name
        self._scratch = scratch
        self._puts = trio.CapacityLimiter(PUTS_AT_ONCE)
        self._reads = trio.CapacityLimiter(READS_AT_ONCE)

    async def check(self) -> None:
        """Look once whether the bucket answers.

        Raises:
            StoreRefused: it refuses the key, or is not there.
            StoreUnavailable: nothing answers.
        """
        try:
            await self._read(partial(_first_page, self._client, None, 1))
        except StoreUnavailable as error:
            text = str(error.__cause__)
            if _REFUSED.search(text):
                raise StoreRefused(
                    f"The bucket {self._name} refuses S3_ACCESS_KEY and S3_SECRET_KEY."
                ) from error
            if _NO_BUCKET.search(text):
                raise StoreRefused(f"There is no bucket {self._name} (S3_BUCKET).") from error
            raise

    async def put(self, key: str, source: Path) -> None:
        """Upload a file; it is left to the caller."""
        size = (await trio.Path(source).stat()).st_size
        if await self.size(key) == size:
            return
        upload = partial(
            obstore.put,
            self._client,
            _path(key),
            source,
            use_multipart=size > PART_BYTES,
            chunk_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        with _translating():
            # A thread can't be stopped: who gave up waits for the request in flight.
            await trio.to_thread.run_sync(upload, limiter=self._puts)

    @asynccontextmanager
    async def open(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Begin a download; it ends with the context, wherever it stands."""
        if start == stop:
            if await self.size(key) is None:
                raise ObjectMissing(key)
            yield _nothing()
            return
        chunks = await self._read(partial(_begin, self._client, _path(key), start, stop), key=key)
        yield self._iterate(chunks)

    @asynccontextmanager
    async def as_file(self, key: str) -> AsyncIterator[Path]:
        """Download to a file of its own."""
        path = self._scratch / f"{secrets.token_hex(16)}.object"
        try:
            async with self.open(key) as chunks:
                with refusing_when_full():
                    await trio.Path(self._scratch).mkdir(parents=True, exist_ok=True)
                    async with await trio.open_file(path, "wb") as file:
                        async for chunk in chunks:
                            await file.write(chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def size(self, key: str) -> int | None:
        """Ask for an object's head."""
        try:
            head = await self._read(partial(obstore.head, self._client, _path(key)), key=key)
        except ObjectMissing:
            return None
        return head["size"]

    async def delete(self, key: str) -> bool:
        """Delete an object, if it is there."""
        if await self.size(key) is None:
            return False
        with _translating():
            await trio.to_thread.run_sync(
                obstore.delete, self._client, _path(key), limiter=self._reads
            )
        return True

    async def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        """List a page."""
        offset = _FOLDER + after if after else None
        paths = await self._read(partial(_first_page, self._client, offset, limit))
        return [path.removeprefix(_FOLDER) for path in paths]

    async def _read(self, function: Callable[[], T], *, key: str | None = None) -> T:
        with _translating(key):
            # What reads may be left behind: nobody waits for it.
            return await trio.to_thread.run_sync(
                function, abandon_on_cancel=True, limiter=self._reads
            )

    async def _iterate(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (chunk := await self._read(partial(_next, chunks))) is not None:
            yield chunk


def _client(bucket: Bucket) -> Client:
    url = bucket.url
    return Client(
        bucket.name,
        endpoint=url,
        access_key_id=bucket.access_key,
        secret_access_key=bucket.secret_key,
        region=bucket.region,
        virtual_hosted_style_request=url is None,
        client_options={
            "allow_http": url is not None and url.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=bucket.timeout_seconds),
            # Of a whole request, however long its body.
            "timeout": timedelta(hours=1),
        },
        retry_config={
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=bucket.retry_seconds),
        },
    )


def _path(key: str) -> str:
    check_key(key)
    return _FOLDER + key


def _begin(client: Client, path: str, start: int, stop: int | None) -> Iterator[bytes]:
    if start == 0 and stop is None:
        found = obstore.get(client, path)
    elif stop is None:
        found = obstore.get(client, path, options={"range": {"offset": start}})
    else:
        found = obstore.get(client, path, options={"range": (start, stop)})
    return map(bytes, found.stream(min_chunk_size=CHUNK_BYTES))


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


def _first_page(client: Client, offset: str | None, limit: int) -> list[str]:
    pages = obstore.list(client, prefix=_FOLDER, offset=offset, chunk_size=limit)
    page = next(iter(pages), ())
    return sorted(entry["path"] for entry in page)[:limit]


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


@contextmanager
def _translating(key: str | None = None) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if key is None:
            raise _away(error) from error
        raise ObjectMissing(key) from None
    except BaseError as error:
        if _FULL.search(str(error)):
            raise StorageFull from error
        raise _away(error) from error


def _away(error: Exception) -> StoreUnavailable:
    _log.warning("object_store_failed", error=_first_line(error))
    return StoreUnavailable()


def _first_line(error: Exception) -> str:
    """Say what happened without the headers and bodies that follow it."""
    line = ""
    with suppress(IndexError):
        line = str(error).splitlines()[0]
    return line[:300]
