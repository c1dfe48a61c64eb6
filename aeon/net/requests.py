"""What a request must be like where h11, h2 and Hypercorn let more pass. No I/O.

A request that two servers read differently is how requests are smuggled past a proxy, so one
whose framing is in doubt is refused (RFC 9112, section 6.1). So is what Hypercorn and Quart would
fail at: a target without a path, and letters in a handshake that stand for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import h11

_SERVER: Final = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
_VERSIONS: Final = (b"1.0", b"1.1")
_HANDSHAKE: Final = (b"connection", b"sec-websocket-extensions", b"sec-websocket-protocol")


class StrictConnection(h11.Connection):
    """A server's h11 connection that takes a doubtful request for a broken one."""

    def next_event(self) -> Any:
        """Give the next event.

        Raises:
            h11.RemoteProtocolError: the client broke the protocol, or sent a doubtful request.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            _check(event)
        return event


def _check(request: h11.Request) -> None:
    is_preface = request.method == b"PRI"  # of HTTP/2, which has its own rules
    if request.http_version not in _VERSIONS and not is_preface:
        raise h11.RemoteProtocolError("unknown version", error_status_hint=505)
    if is_framing_doubtful(request):
        raise h11.RemoteProtocolError("others may see this request end elsewhere")
    if path_of(request.target) is None:
        raise h11.RemoteProtocolError("the target is no path")
    if not is_handshake_legible(request.headers):
        raise h11.RemoteProtocolError("a header of the handshake is not ASCII")


def is_framing_doubtful(request: h11.Request) -> bool:
    """Say whether another server may see the request's body end elsewhere than we do."""
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" not in names:
        return False
    return b"content-length" in names or request.http_version < b"1.1"


def path_of(target: bytes) -> bytes | None:
    """Give the path and query of a request's target, or the asterisk; None: it has none.

    A target in absolute form names the server as well, which is dropped: we are no proxy.
    """
    if named := _SERVER.match(target):
        target = target[named.end() :]
        if not target.startswith(b"/"):
            target = b"/" + target
    if not target.isascii() or (target != b"*" and not target.startswith(b"/")):
        return None
    return target


def is_handshake_legible(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether the lists in a WebSocket's handshake are text; names in lower case."""
    return all(value.isascii() for name, value in headers if name in _HANDSHAKE)
