"""The Range header (RFC 9110, section 14): one range or none.

Several ranges in one request are answered with the whole file, as the standard allows: no player
needs multipart/byteranges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SINGLE: Final = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``stop`` (not included)."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes it is."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """Write the Content-Range header."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


class Unsatisfiable(Exception):
    """The range lies behind the end: 416."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Read a Range header for a file of ``size`` bytes; None: send everything.

    Raises:
        Unsatisfiable: nothing of the file is in the range.
    """
    if header is None:
        return None
    unit, equals, spec = header.partition("=")
    match = _SINGLE.fullmatch(spec.strip())
    if unit.strip().lower() != "bytes" or not equals or match is None:
        return None
    first, last = match.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
        if start >= size:
            raise Unsatisfiable
        return ByteRange(start, stop)
    if not last:
        return None
    if int(last) == 0 or size == 0:
        raise Unsatisfiable
    return ByteRange(max(0, size - int(last)), size)
