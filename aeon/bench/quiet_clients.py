"""The clients of ``aeon bench connections --node``: people who connect and then say nothing.

Run as ``python -m aeon.bench.quiet_clients PORT``, with one path a line on its input. It prints
``ready`` once everybody was greeted, and hangs up when its input ends.
"""

from __future__ import annotations

import resource
import socket
import sys
from contextlib import ExitStack
from typing import Final

AT_ONCE: Final = 100
"""Handshakes under way at a time: the server's accept queue is not what is measured."""


def handshake(path: str) -> bytes:
    """Encode a WebSocket handshake."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def main() -> None:
    """Connect everybody, wait for their greetings, and stay."""
    port = int(sys.argv[1])
    paths = [line.strip() for line in iter(sys.stdin.readline, "\n")]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        for start in range(0, len(paths), AT_ONCE):
            batch = []
            for path in paths[start : start + AT_ONCE]:
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                sock.sendall(handshake(path))
                batch.append(sock)
            for sock in batch:
                _wait_for_greeting(sock)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


def _wait_for_greeting(sock: socket.socket) -> None:
    data = b""
    while b'"connection_established"' not in data:
        more = sock.recv(4096)
        if not more:
            raise SystemExit(f"hung up on: {data[-200:]!r}")
        data += more


if __name__ == "__main__":
    main()
