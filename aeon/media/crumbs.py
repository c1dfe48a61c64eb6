"""A file that ends the patience of parsers: so many reads, and no more.

Headers of pictures and of sound may be made of millions of parts of a few bytes. Parsers walk
over all of them, half a minute for a file of 50 MB, and some keep every one: 1.5 GB (2026-11-23, 2
cores of an Intel Xeon, a JPEG of empty APP1 segments). What honest programs write is read in some
thousand pieces.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_READS: Final = 100_000
"""Of 50 MB a PNG takes 20,000, whose data comes in parts of 8 kB; other formats take few."""


class TooManyParts(OSError):
    """The file is made of more parts than anybody writes."""


class CountedFile(io.RawIOBase):
    """Reads from another file, whose owner closes it."""

    def __init__(self, file: BinaryIO, max_reads: int = MAX_READS) -> None:
        super().__init__()
        self._file = file
        self._left = max_reads

    def as_binary(self) -> BinaryIO:
        """Give it as the type that parsers ask for; they only read, seek and tell."""
        return cast("BinaryIO", self)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Count, and read.

        Raises:
            TooManyParts: it was read too often.
        """
        self._count()
        return self._file.readinto(buffer)  # type: ignore[attr-defined,no-any-return] # opened files have it

    def readall(self) -> bytes:
        """Read what is left at once, as decoders do that hold a file in memory."""
        self._count()
        return self._file.read()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say where it stands."""
        return self._file.tell()

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManyParts("too many parts")

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True
