"""A lean HTTP/1.1 client: keep-alive connections, one request at a time on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson
import trio

from aeon.load.endpoint import Channel, Endpoint, connect

REQUEST_SECONDS: Final = 30.0
_MAX_HEAD_BYTES: Final = 64 * 1024


class BadAnswer(Exception):
    """What came is no HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> Any:
        """Return the body parsed; None if it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def error_code(self) -> str:
        """The server's error code, or ``http_<status>``."""
        body = self.json()
        code = body.get("code") if isinstance(body, dict) else None
        return str(code) if code else f"http_{self.status}"


class _Lane:
    """One keep-alive connection."""

    __slots__ = ("channel", "is_fresh", "received")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.received = b""
        self.is_fresh = True


class HttpClient:
    """Requests of one or many people to one server.

    Idle connections are kept and reused, the last one first; there are as many as requests
    were ever under way at once.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[_Lane] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().channel.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = {},
        json: object = None,
    ) -> Reply:
        """Send a request and read the whole answer.

        A kept connection that the server closed meanwhile is replaced once, unseen.

        Raises:
            OSError: the server can not be reached, broke off, or took ``REQUEST_SECONDS``.
            BadAnswer: it answered something that is not HTTP.
        """
        data = self._encode(method, path, headers, json)
        with trio.move_on_after(REQUEST_SECONDS):
            while True:
                lane = self._idle.pop() if self._idle else _Lane(await connect(self._endpoint))
                try:
                    return await self._exchange(lane, method, data)
                except _Stale:
                    continue
        raise TimeoutError(f"no answer in {REQUEST_SECONDS:g} s")

    def _encode(self, method: str, path: str, headers: Mapping[str, str], json: object) -> bytes:
        lines = [
            f"{method} {self._endpoint.path}{path} HTTP/1.1",
            f"Host: {self._endpoint.host_header}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        body = b""
        if json is not None:
            body = orjson.dumps(json)
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        elif method not in ("GET", "HEAD"):
            lines.append("Content-Length: 0")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def _exchange(self, lane: _Lane, method: str, data: bytes) -> Reply:
        was_fresh, lane.is_fresh = lane.is_fresh, False
        is_kept = False
        try:
            await lane.channel.write(data)
            reply, may_keep = await _read_reply(lane, method)
            is_kept = may_keep
            return reply
        except OSError:
            if was_fresh or lane.received:
                raise
            raise _Stale from None
        finally:
            if is_kept:
                self._idle.append(lane)
            else:
                lane.channel.close()


class SpreadHttp:
    """Requests to one of several nodes: the same one until it fails, then the next."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._clients = [HttpClient(endpoint) for endpoint in endpoints]
        self._current = 0

    def close(self) -> None:
        """Close the idle connections."""
        for client in self._clients:
            client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = {},
        json: object = None,
    ) -> Reply:
        """Send a request; raises as ``HttpClient.request``, and the next one goes elsewhere."""
        used = self._current
        try:
            return await self._clients[used].request(method, path, headers=headers, json=json)
        except (OSError, BadAnswer):
            # Of several requests that fail together only the first moves on.
            if self._current == used:
                self._current = (used + 1) % len(self._clients)
            raise


class _Stale(Exception):
    """The server had closed a kept connection."""


async def _read_reply(lane: _Lane, method: str) -> tuple[Reply, bool]:
    """Read a response; also tells whether the connection may be used again."""
    while (end := lane.received.find(b"\r\n\r\n")) < 0:
        if len(lane.received) > _MAX_HEAD_BYTES:
            raise BadAnswer("a head without end")
        await _more(lane)
    head = lane.received[:end].decode("latin-1").split("\r\n")
    lane.received = lane.received[end + 4 :]
    words = head[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise BadAnswer(f"it begins {head[0][:60]!r}")
    status = int(words[1])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:])
    }
    body = await _read_body(lane, method, status, headers)
    return Reply(status, headers, body), headers.get("connection", "").lower() != "close"


async def _read_body(lane: _Lane, method: str, status: int, headers: Mapping[str, str]) -> bytes:
    if method == "HEAD" or status in (204, 304) or status < 200:
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(lane)
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise BadAnswer("an answer that does not say how long it is")
    return await _exactly(lane, int(length))


async def _read_chunks(lane: _Lane) -> bytes:
    parts: list[bytes] = []
    while True:
        while (end := lane.received.find(b"\r\n")) < 0:
            await _more(lane)
        try:
            size = int(lane.received[:end].split(b";")[0], 16)
        except ValueError:
            raise BadAnswer("a chunk without a size") from None
        lane.received = lane.received[end + 2 :]
        part = await _exactly(lane, size + 2)
        if size == 0:
            return b"".join(parts)
        parts.append(part[:-2])


async def _exactly(lane: _Lane, length: int) -> bytes:
    while len(lane.received) < length:
        await _more(lane)
    data, lane.received = lane.received[:length], lane.received[length:]
    return data


async def _more(lane: _Lane) -> None:
    data = await lane.channel.read()
    if not data:
        raise ConnectionResetError("the server closed the connection")
    lane.received += data
