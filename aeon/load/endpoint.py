"""Where the server is, and non-blocking connections to it, plain or TLS."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import trio

from aeon.load.faults import ServerGone, UsageFault

CONNECT_SECONDS: Final = 10.0
_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL taken apart, with its address looked up once."""

    url: str
    host: str
    port: int
    path: str
    """Prefix of every path, without a slash at the end."""
    tls: ssl.SSLContext | None
    address: tuple[int, tuple[str, int]]
    """Address family and socket address."""

    @property
    def host_header(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check_url(url: str) -> None:
    """Check a base URL without asking the network.

    Raises:
        UsageFault: it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageFault(f"--url {url!r} has no valid port or host") from None
    if port == 0 or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageFault(f"--url {url!r} is no URL like http://127.0.0.1:8000")
    if parts.query or parts.fragment:
        raise UsageFault(f"--url {url!r}: leave out the query and the fragment")


async def find(url: str) -> Endpoint:
    """Take a base URL apart and look its address up.

    Raises:
        UsageFault: the URL makes no sense.
        ServerGone: the name is not known.
    """
    check_url(url)
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServerGone(f"{url}: the name {host} is not known ({error.strerror})") from None
    family, _, _, _, address = found[0]
    return Endpoint(
        url=url.rstrip("/"),
        host=host,
        port=port,
        path=parts.path.rstrip("/"),
        tls=ssl.create_default_context() if parts.scheme == "https" else None,
        address=(family, (str(address[0]), int(address[1]))),
    )


async def find_all(urls: Sequence[str]) -> tuple[Endpoint, ...]:
    """Look up several base URLs; raises as ``find`` does."""
    return tuple([await find(url) for url in urls])


class Channel:
    """A connected non-blocking socket; reads and writes what goes without waiting."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        """Return the descriptor, -1 after ``close``."""
        return self._sock.fileno()

    def read_now(self) -> bytes | None:
        """Return what is there: None if nothing yet, empty at the end.

        Raises:
            OSError: the connection broke.
        """
        try:
            return self._sock.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLEOFError:
            return b""

    def write_now(self, data: bytes | memoryview) -> int:
        """Write what fits; return how much.

        Raises:
            OSError: the connection broke.
        """
        try:
            return self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    async def read(self) -> bytes:
        """Wait for bytes; empty at the end."""
        while (data := self.read_now()) is None:
            await trio.lowlevel.wait_readable(self._sock)
        return data

    async def write(self, data: bytes) -> None:
        """Write all."""
        rest = memoryview(data)
        while rest:
            written = self.write_now(rest)
            rest = rest[written:]
            if rest:
                await trio.lowlevel.wait_writable(self._sock)

    def close(self, *, abruptly: bool = False) -> None:
        """Close; abruptly resets the connection, as a phone that lost its network seems to."""
        if self._sock.fileno() < 0:
            return
        if abruptly:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()


async def connect(endpoint: Endpoint) -> Channel:
    """Connect, TLS included.

    Raises:
        OSError: the server can not be reached, or not within ``CONNECT_SECONDS``.
    """
    with trio.move_on_after(CONNECT_SECONDS):
        return Channel(await _connected(endpoint))
    raise TimeoutError(errno.ETIMEDOUT, "no answer to the connection attempt")


async def _connected(endpoint: Endpoint) -> socket.socket:
    family, address = endpoint.address
    sock: socket.socket = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        status = sock.connect_ex(address)
        if status == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock)
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            raise OSError(status, os.strerror(status))
        if endpoint.tls is None:
            return sock
        secured = endpoint.tls.wrap_socket(
            sock, server_hostname=endpoint.host, do_handshake_on_connect=False
        )
        sock = secured
        await _shake_hands(secured)
        return secured
    except BaseException:
        sock.close()
        raise


async def _shake_hands(sock: ssl.SSLSocket) -> None:
    while True:
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(sock)
        except ssl.SSLWantWriteError:
            await trio.lowlevel.wait_writable(sock)
