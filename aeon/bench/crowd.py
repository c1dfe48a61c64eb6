"""The clients of ``aeon bench workers``: a crowd that listens cheaply, and a few who talk.

Run as ``python -m aeon.bench.crowd``, with one JSON object on its input. What those who listen
receive is thrown away twice a second where it lies, in the kernel, and its bytes are counted; a
few of them are read, which tells how many bytes an event has. So a crowd of hundreds costs a few
percent of one core. Those who talk send the next message when an ack comes.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

from aeon.bench.quiet_clients import AT_ONCE, handshake

EVENT: Final = b'"type":"new_message"'
ACK: Final = b'"type":"ack"'
GREETED: Final = b'"connection_established"'
LISTEN_EVERY_SECONDS: Final = 0.5
SAMPLED: Final = 40
"""Every so-many-th is read."""
QUIET_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 60.0
_MOST_BYTES: Final = 1 << 20
_NOWHERE: Final = bytearray(_MOST_BYTES)


@dataclass(slots=True)
class Listener:
    """One who listens, and reads."""

    sock: socket.socket
    tail: bytes = b""
    events: int = 0
    received_bytes: int = 0

    def listen(self) -> None:
        """Count the events that came since the last time."""
        received = _receive(self.sock)
        self.received_bytes += len(received)
        data = self.tail + received
        # An event may be cut in two: what is too short to hold its mark whole is kept.
        self.tail = data[max(0, len(data) - len(EVENT) + 1) :]
        self.events += data.count(EVENT)


class Crowd:
    """Everybody who listens."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._readers = [Listener(sock) for sock in sockets[::SAMPLED]]
        self._others = [sock for number, sock in enumerate(sockets) if number % SAMPLED]
        self._others_bytes = 0

    def listen(self) -> None:
        """Take what came since the last time."""
        for reader in self._readers:
            reader.listen()
        for sock in self._others:
            self._others_bytes += _throw_away(sock)

    def count(self) -> float:
        """Say how many events came until now, all people together."""
        events = sum(reader.events for reader in self._readers)
        read = sum(reader.received_bytes for reader in self._readers)
        return events + (events * self._others_bytes / read if read else 0.0)

    def wait_until_quiet(self) -> None:
        """Wait until the news of who came has gone round, and count from here on."""
        end = time.monotonic() + PATIENCE_SECONDS
        quiet_since, before = time.monotonic(), -1
        while time.monotonic() < end and time.monotonic() - quiet_since < QUIET_SECONDS:
            selectors.DefaultSelector().select(LISTEN_EVERY_SECONDS / 4)
            self.listen()
            received = self._others_bytes + sum(one.received_bytes for one in self._readers)
            if received != before:
                quiet_since, before = time.monotonic(), received
        self._others_bytes = 0
        for reader in self._readers:
            reader.events = reader.received_bytes = 0


@dataclass(slots=True)
class Talker:
    """One who talks."""

    sock: socket.socket
    chat_id: int
    sent: int = 0
    acked: int = 0
    tail: bytes = b""

    def talk(self, messages: int) -> None:
        """Send some messages."""
        for _ in range(messages):
            self.sent += 1
            key = f"{self.sock.fileno()}-{self.sent}"
            command = {
                "type": "send_message",
                "id": key,
                "chat_id": self.chat_id,
                "text": "x" * 100,
                "client_msg_id": f"{time.monotonic_ns()}-{key}",
            }
            self.sock.sendall(_masked(json.dumps(command).encode()))

    def hear(self) -> int:
        """Count the acks that came."""
        data = self.tail + _receive(self.sock)
        self.tail = data[max(0, len(data) - len(ACK) + 1) :]
        acks = data.count(ACK)
        self.acked += acks
        return acks


def main() -> None:
    """Connect, wait until it is quiet, talk, and print what was heard."""
    plan = json.load(sys.stdin)
    crowd = Crowd(_connect(plan["port"], plan["listeners"]))
    paths = [path for path, _ in plan["talkers"]]
    talkers = [
        Talker(sock, chat_id)
        for sock, (_, chat_id) in zip(_connect(plan["port"], paths), plan["talkers"], strict=True)
    ]
    crowd.wait_until_quiet()
    selector = selectors.DefaultSelector()
    for talker in talkers:
        selector.register(talker.sock, selectors.EVENT_READ, talker)
        talker.talk(plan["window"])
    _run(selector, crowd, plan["warm_up_seconds"])
    heard_before = crowd.count()
    sys.stdout.write("begin\n")
    sys.stdout.flush()
    cpu, wall = time.process_time(), time.monotonic()
    _run(selector, crowd, plan["seconds"])
    result = {
        "deliveries": round(crowd.count() - heard_before),
        "seconds": time.monotonic() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _run(selector: selectors.BaseSelector, crowd: Crowd, seconds: float) -> None:
    now = time.monotonic()
    end, listen_at = now + seconds, now
    while now < end:
        for key, _ in selector.select(max(0.0, listen_at - now)):
            key.data.talk(key.data.hear())
        now = time.monotonic()
        if now >= listen_at:
            crowd.listen()
            listen_at = now + LISTEN_EVERY_SECONDS
    crowd.listen()


def _connect(port: int, paths: list[str]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    for start in range(0, len(paths), AT_ONCE):
        batch = []
        for path in paths[start : start + AT_ONCE]:
            sock = socket.socket()
            sock.settimeout(PATIENCE_SECONDS)
            # What arrives between two visits has to fit.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MOST_BYTES)
            sock.connect(("127.0.0.1", port))
            sock.sendall(handshake(path))
            batch.append(sock)
        for sock in batch:
            data = b""
            while GREETED not in data:
                more = sock.recv(4096)
                if not more:
                    raise SystemExit(f"hung up on: {data[-200:]!r}")
                data += more
            sock.setblocking(False)
        sockets += batch
    return sockets


def _receive(sock: socket.socket) -> bytes:
    try:
        data = sock.recv(_MOST_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise SystemExit("the server hung up")
    return data


def _throw_away(sock: socket.socket) -> int:
    try:
        size = sock.recv_into(_NOWHERE, _MOST_BYTES, socket.MSG_TRUNC)
    except BlockingIOError:
        return 0
    if not size:
        raise SystemExit("the server hung up")
    return size


def _masked(payload: bytes) -> bytes:
    """Encode a text frame; a mask of zeros is as good as any for a benchmark."""
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


if __name__ == "__main__":
    main()
