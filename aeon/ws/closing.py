"""Close codes: what each tells the client to do is part of the protocol."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from actors.delivery.frame import FrameTransport
from actors.delivery.session import CloseReason
from aeon.wire.frames import shutdown_frame


class CloseCode(IntEnum):
    """Codes of protocol version 1."""

    NORMAL = 1000
    FRAME_TOO_BIG = 1009
    RESTART = 1012
    UNAUTHENTICATED = 4001
    TOO_SLOW = 4008
    SESSION_ENDED = 4009
    PROTOCOL_VIOLATION = 4010
    TOO_MANY = 4029
    FAULT = 4500


@dataclass(frozen=True, slots=True)
class Closing:
    """How a connection ends."""

    code: CloseCode
    reason: str = ""
    """At most 123 bytes (RFC 6455, 5.5); a machine-readable word."""

    @property
    def counted_as(self) -> tuple[str, str]:
        """Code and reason, as metrics show them."""
        return str(int(self.code)), self.reason


BY_REASON: Final = {
    CloseReason.TOO_SLOW: Closing(CloseCode.TOO_SLOW, "too_slow"),
    CloseReason.REPLACED: Closing(CloseCode.SESSION_ENDED, "replaced"),
    CloseReason.REVOKED: Closing(CloseCode.SESSION_ENDED, "revoked"),
    CloseReason.SHUTDOWN: Closing(CloseCode.RESTART, "restart"),
    CloseReason.FAULT: Closing(CloseCode.FAULT, "internal_error"),
    CloseReason.MISSED_EVENTS: Closing(CloseCode.FAULT, "too_far"),
}

RECONNECT_SPREAD_MS: Final = 10_000
"""Window over which the clients of a stopping server are asked to come back."""

LEFT: Final = ("none", "client_left")
"""How a connection is counted that its client ended, or that broke."""


def say_when_to_return(transport: FrameTransport) -> None:
    """Give each client of a stopping server its own moment, so that not all return at once."""
    reconnect_after_ms = 1_000 + secrets.randbelow(RECONNECT_SPREAD_MS)
    transport.send_nowait((shutdown_frame(reconnect_after_ms),))
