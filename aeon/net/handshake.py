"""The opening handshake of RFC 6455, as far as it is decided here. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

_DEFLATE: Final = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def asks_for_websocket(method: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether an HTTP/1.1 request is a handshake, good or bad; header names in lower case."""
    if method.upper() != b"GET":
        return False
    upgrade = connection = b""
    for name, value in headers:
        if name == b"upgrade":
            upgrade = value.strip().lower()
        elif name == b"connection":
            connection += b"," + value.lower()
    tokens = [token.strip() for token in connection.split(b",")]
    return upgrade == b"websocket" and b"upgrade" in tokens


def agree_on_deflate(offers: Sequence[str]) -> bytes | None:
    """Answer a client's offers of permessage-deflate (RFC 7692); None: nothing fitting offered.

    Agreed on without context takeover on either side, so that it allocates nothing that
    outlives a message.
    """
    for offer in offers:
        name, *parameters = [part.strip() for part in offer.split(";")]
        if name == "permessage-deflate":
            window = [part for part in parameters if part.startswith("server_max_window_bits=")]
            return b"; ".join((_DEFLATE, *(part.encode() for part in window[:1])))
    return None
