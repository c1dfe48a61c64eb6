"""What a request must be like where h11, h2 and Hypercorn let more pass. No I/O.

A request that two servers read differently is how requests are smuggled past a proxy, so one
whose framing is in doubt is refused (RFC 9112, section 6.1).
"""

from __future__ import annotations

from typing import Any

import h11


class StrictConnection(h11.Connection):
    """A server's h11 connection that takes a doubtful request for a broken one."""

    def next_event(self) -> Any:
        """Give the next event.

        Raises:
            h11.RemoteProtocolError: the client broke the protocol, or sent a doubtful request.
        """
        event = super().next_event()
        if isinstance(event, h11.Request) and is_framing_doubtful(event):
            raise h11.RemoteProtocolError("others may see this request end elsewhere")
        return event


def is_framing_doubtful(request: h11.Request) -> bool:
    """Say whether another server may see the request's body end elsewhere than we do."""
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" not in names:
        return False
    return b"content-length" in names or request.http_version < b"1.1"
