"""Limits: how much, and for how long, the server puts up with from one peer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True)
class NetLimits:
    """What one ``serve()`` allows; Hypercorn's own settings come from its configuration."""

    max_connections: int = 20_000
    """TCP connections served at a time. Those beyond are refused in words: 503, or a WebSocket
    that is accepted and closed with 4029."""
    max_connections_per_address: int | None = None
    """The same for one peer address (of IPv6: one /64); leave it off behind a proxy, where all
    share an address."""
    max_refusals: int = 256
    """Connections that are being refused in words at a time; further ones are just closed."""

    request_head_seconds: float = 10.0
    """From a request's first byte (for the first one: from the connection) to its last header."""
    body_stall_seconds: float = 20.0
    """Longest silence within a request's body, and the head start before the rate counts."""
    body_min_bytes_per_second: int = 1024
    """A body that arrives slower than this on average is given up."""
    tls_handshake_seconds: float = 10.0

    max_frame_bytes: int = 64 * KIB
    """Largest WebSocket message from a client, over all its fragments; more closes with 1009."""
    permessage_deflate: bool = False
    """Accept compressed messages from clients that offer them; ours stay uncompressed."""

    max_stream_resets: int = 500
    """Streams of HTTP/2 that a client may reset, over one connection; more end it
    (ENHANCE_YOUR_CALM)."""

    max_pending_frames: int = 256
    """Messages that wait for a slow reader."""
    max_pending_bytes: int = MIB
    """Bytes that wait for a slow reader."""
    send_stall_seconds: float = 30.0
    """A peer that takes nothing at all for this long while something waits for it is cut off."""

    heartbeat_seconds: float = 25.0
    """Between two pings on a WebSocket."""
    heartbeat_timeout_seconds: float = 10.0
    """How long the pong may take."""

    close_seconds: float = 5.0
    """From our close frame until we hang up without waiting for the peer's."""
    linger_seconds: float = 2.0
    """How long we still read (and drop) after the last byte out, so that the peer sees it."""
    farewell_seconds: float = 1.0
    """At shutdown, how long the application may take to close its WebSockets by itself."""
    app_stall_seconds: float = 30.0
    """A WebSocket whose application neither takes a message nor writes anything for this long is
    closed with 1011."""
    app_grace_seconds: float = 5.0
    """How long the application may go on after its peer has left, before it is cancelled."""
