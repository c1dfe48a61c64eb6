"""The receiving side of the fan-out benchmark: many WebSockets in one blocking process.

Run as ``python -m aeon.bench.fanout_client PORT MEMBERS``. It prints ``ready`` once every
connection is open, reads until the server hangs up, and prints one JSON object.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

FRAME_HEADER_BYTES: Final = 4
PAYLOAD_BYTES: Final = 230
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAYLOAD_BYTES
STAMP: Final = slice(FRAME_HEADER_BYTES + 6, FRAME_HEADER_BYTES + 26)
FILLER_AT: Final = FRAME_BYTES - 3
WARM_UP: Final = "w"
"""Filler of events whose latency does not count."""
SAMPLED: Final = 25
"""Every so-many-th member looks at the time stamps; the others only count."""

HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def payload(now_ns: int, filler: str = "x") -> bytes:
    """Make an event of ``PAYLOAD_BYTES`` with its time in it, at a fixed place."""
    text = f'{{"t":"{now_ns:020d}","text":"'
    return (text + filler * (PAYLOAD_BYTES - len(text) - 2) + '"}').encode()


def open_sockets(port: int, members: int) -> list[socket.socket]:
    """Connect and shake hands, everybody at once."""
    try:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(members)]
    except OSError as error:
        raise SystemExit(f"can not connect {members} times: {error.strerror}") from None
    for sock in sockets:
        sock.sendall(HANDSHAKE)
    for sock in sockets:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = sock.recv(4096)
            if not more:
                raise SystemExit("hung up on")
            head += more
    return sockets


@dataclass(slots=True)
class Member:
    """What one connection has received."""

    is_sampled: bool
    received_bytes: int = 0
    tail: bytes = b""

    def receive(self, data: bytes, latencies: list[int]) -> None:
        """Count, and for a sampled member note how old each event is."""
        self.received_bytes += len(data)
        if not self.is_sampled:
            return
        now = time.monotonic_ns()
        data = self.tail + data
        ends = range(FRAME_BYTES, len(data) + 1, FRAME_BYTES)
        for end in ends:
            frame = data[end - FRAME_BYTES : end]
            if frame[FILLER_AT] != ord(WARM_UP):
                latencies.append(now - int(frame[STAMP]))
        self.tail = data[len(ends) * FRAME_BYTES :]


def main() -> None:
    """Receive until every connection has ended."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    selector = selectors.DefaultSelector()
    members = [Member(number % SAMPLED == SAMPLED - 1) for number in range(count)]
    for member, sock in zip(members, open_sockets(port, count), strict=True):
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, member)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    latencies: list[int] = []
    while selector.get_map():
        for key, _ in selector.select():
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]  # always a socket here
            if data:
                key.data.receive(data, latencies)
            else:
                selector.unregister(key.fileobj)
    latencies.sort()
    # A close frame at the end is shorter than an event and falls off in the division.
    frames = sum(member.received_bytes // FRAME_BYTES for member in members)
    sys.stdout.write(json.dumps({"frames": frames, "ms": _percentiles(latencies)}))


def _percentiles(latencies: list[int]) -> dict[str, float]:
    if not latencies:
        return {}
    last = len(latencies) - 1
    marks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(latencies[int(last * mark)] / 1e6, 3) for name, mark in marks.items()}


if __name__ == "__main__":
    main()
