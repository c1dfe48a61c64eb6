"""The port behind which files' bytes lie, and the directory that implements it.

Contents are named by their SHA-256, so storing is idempotent and equal files are one file. The
contract suite (``tests/contract/media``) holds for every implementation.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar, TypeVarTuple

import trio

from aeon.media.errors import StorageFull

CHUNK_BYTES: Final = 256 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_KEY: Final = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")
Args = TypeVarTuple("Args")


def check_key(key: str) -> None:
    """Let nothing but a hash become a path.

    Raises:
        ValueError: it is something else.
    """
    if not _KEY.fullmatch(key):
        raise ValueError("keys are SHA-256 in hexadecimal")


class ObjectMissing(Exception):
    """The store has no such content."""


class ObjectStore(Protocol):
    """Keeps contents by name."""

    async def check(self) -> None:
        """Look whether it can be used.

        Raises:
            StoreRefused: not as it is configured.
            StoreUnavailable: it does not answer.
        """
        ...

    async def put(self, key: str, source: Path) -> None:
        """Store a complete local file, which is moved or left to the caller to delete.

        Atomic: readers see all of it or nothing. Durable when it returns. Storing what is there
        already changes nothing.

        Raises:
            StorageFull: there is no room; nothing was kept.
            StoreUnavailable: it does not answer; nothing was kept. All methods may raise it.
        """
        ...

    def open(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read bytes ``start`` to ``stop`` in chunks of bounded size.

        Raises:
            ObjectMissing: on entering.
        """
        ...

    def as_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Give a local file of the content, to be read only, for as long as the context lives.

        Raises:
            ObjectMissing: on entering.
        """
        ...

    async def size(self, key: str) -> int | None:
        """Tell a content's size; None when it is not there."""
        ...

    async def delete(self, key: str) -> bool:
        """Delete a content; False when it was not there. Readers under way may finish."""
        ...

    async def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        """List the next keys after one, in order."""
        ...


class LocalStore:
    """Contents as files in two levels of folders: ``ab/cd/abcd...``.

    The staging directory given to ``put`` should be on the same file system, so that storing is
    a rename.
    """

    def __init__(self, directory: Path, *, threads: int = 8) -> None:
        self.directory = directory
        self._threads = trio.CapacityLimiter(threads)

    async def check(self) -> None:
        """A directory is made with its first file."""

    async def put(self, key: str, source: Path) -> None:
        """Move a file into its place."""
        with refusing_when_full():
            await self._run(_put, self._path(key), source)

    @asynccontextmanager
    async def open(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file for reading; the handle lives as long as the context."""
        try:
            file = await self._run(_open_at, self._path(key), start)
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        try:
            yield _Chunks(file, None if stop is None else stop - start, self._threads)
        finally:
            file.close()

    @asynccontextmanager
    async def as_file(self, key: str) -> AsyncIterator[Path]:
        """Give the file itself."""
        if await self.size(key) is None:
            raise ObjectMissing(key)
        yield self._path(key)

    async def size(self, key: str) -> int | None:
        """Stat the file."""
        try:
            return (await self._run(self._path(key).stat)).st_size
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> bool:
        """Unlink the file."""
        try:
            await self._run(self._path(key).unlink)
        except FileNotFoundError:
            return False
        return True

    async def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        """Walk over the folders."""
        return await self._run(_list_keys, self.directory, after, limit)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.directory / key[:2] / key[2:4] / key

    async def _run(self, function: Callable[[*Args], T], *args: *Args) -> T:
        return await trio.to_thread.run_sync(function, *args, limiter=self._threads)


class refusing_when_full:  # noqa: N801 - reads as a word in a with statement
    """Turns "no space left" of the operating system into ``StorageFull``."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate."""
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StorageFull from error


class _Chunks:
    """Reads a file piece by piece in a worker thread."""

    def __init__(
        self, file: BinaryIO, remaining: int | None, threads: trio.CapacityLimiter
    ) -> None:
        self._file = file
        self._remaining = remaining
        self._threads = threads

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        count = CHUNK_BYTES if self._remaining is None else min(CHUNK_BYTES, self._remaining)
        if count == 0:
            raise StopAsyncIteration
        data = await trio.to_thread.run_sync(self._file.read, count, limiter=self._threads)
        if not data:
            raise StopAsyncIteration
        if self._remaining is not None:
            self._remaining -= len(data)
        return data


def sync_directory(directory: Path) -> None:
    """Make a rename or a new name in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(target: Path, source: Path) -> None:
    if target.exists():
        source.unlink(missing_ok=True)
        return
    created = [folder for folder in (target.parent.parent, target.parent) if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
    sync_directory(target.parent)
    for folder in created:
        sync_directory(folder.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy to another file system, so that the name appears with the last byte."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            while data := reader.read(CHUNK_BYTES):
                writer.write(data)
            writer.flush()
            os.fsync(writer.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    source.unlink(missing_ok=True)


def _open_at(path: Path, start: int) -> BinaryIO:
    file = path.open("rb", buffering=0)
    file.seek(start)
    return file


def _list_keys(root: Path, after: str, limit: int) -> list[str]:
    keys: list[str] = []
    for key in _walk(root, after):
        keys.append(key)
        if len(keys) == limit:
            break
    return keys


def _walk(root: Path, after: str) -> Iterator[str]:
    for outer in _names(root):
        if outer < after[:2]:
            continue
        for inner in _names(root / outer):
            if outer + inner < after[:4]:
                continue
            for name in _names(root / outer / inner):
                if name > after and _KEY.fullmatch(name):
                    yield name


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
