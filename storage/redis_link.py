"""One connection to Redis, and what can be wrong with it.

coredis' connection class is used as it is; its pool and its pub/sub are not: a subscription that
loses Redis ends silently there. RESP3 carries commands and subscribed messages over one
connection, so one liveness check covers both.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream
from coredis import exceptions as redis_errors
from coredis.connection import BaseConnection, TCPLocation
from coredis.typing import ResponseType

from storage.bus import BusAway, BusRefused

# It logs whole tracebacks of failures that are told here in one line.
logging.getLogger("coredis").addHandler(logging.NullHandler())
logging.getLogger("coredis").propagate = False

DEFAULT_PORT: Final = 6379

UNREACHABLE: Final = "redis_unreachable"
SILENT: Final = "redis_silent"
LOST: Final = "redis_lost"
TLS_SILENT: Final = "redis_tls_silent"
"""No answer to a TLS handshake: it is stopped, or speaks no TLS and waits for a command."""
WRONG_PASSWORD: Final = "redis_wrong_password"
PASSWORD_NEEDED: Final = "redis_password_needed"
NOT_REDIS: Final = "redis_not_redis"
TOO_OLD: Final = "redis_too_old"
TLS_FAILED: Final = "redis_tls_failed"
READ_ONLY: Final = "redis_read_only"
OUT_OF_MEMORY: Final = "redis_out_of_memory"
LOADING: Final = "redis_loading"
NOT_SAVING: Final = "redis_not_saving"
"""Its last snapshot failed, so it takes no writes."""
NO_PRIMARY: Final = "redis_no_primary"
"""A replica that has lost its primary, and says nothing until it is back."""
PROTECTED: Final = "redis_protected_mode"
NOT_PERMITTED: Final = "redis_not_permitted"
TOO_MANY_CLIENTS: Final = "redis_too_many_clients"
CLUSTER: Final = "redis_cluster"
SENTINEL: Final = "redis_sentinel"
NO_DATABASE: Final = "redis_no_database"
REFUSED: Final = "redis_refused"

FATAL: Final = {
    WRONG_PASSWORD: "REDIS_URL: Redis refuses this user name or password.",
    PASSWORD_NEEDED: "REDIS_URL: Redis asks for a password: redis://:password@host:6379/0",
    NOT_REDIS: "REDIS_URL: what answers there is no Redis.",
    TOO_OLD: "REDIS_URL: this Redis is too old; version 6 or later is needed.",
    PROTECTED: "REDIS_URL: Redis is in protected mode and answers its own machine only."
    " Give it a password.",
    CLUSTER: "REDIS_URL: what answers there is a node of a Redis Cluster. Aeon needs a Redis that"
    " holds all keys itself, without cluster-enabled.",
    SENTINEL: "REDIS_URL: this is a Redis Sentinel; give the address of Redis itself.",
    NO_DATABASE: "REDIS_URL: this Redis has no database of that number; /0 always exists.",
    TLS_FAILED: "REDIS_URL: the TLS handshake failed. rediss:// needs a Redis with TLS and a"
    " certificate this machine trusts; ?ssl_cert_reqs=none skips the check.",
}
"""What no waiting mends; said at the start."""


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """Where Redis is and how to log in, taken from a URL. Never shown: it holds a password."""

    host: str
    port: int
    socket_path: str | None
    database: int
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read ``redis://``, ``rediss://`` and ``unix://`` URLs.

        Raises:
            ValueError: no such URL; the text does not quote it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORT
        except ValueError:
            raise ValueError("give a Redis address: redis://:password@host:6379/0") from None
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("a Redis address starts with redis://, rediss:// or unix://")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        socket_path = unquote(parts.path) if parts.scheme == "unix" else None
        return cls(
            host=parts.hostname or "localhost",
            port=port,
            socket_path=socket_path,
            database=_database(parts, query.get("db")),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=_tls(query) if parts.scheme == "rediss" else None,
        )

    async def open(self) -> RedisLink:
        """Connect, without a word of Redis yet.

        Raises:
            OSError: nobody is there, or no TLS.
        """
        stream: ByteStream
        if self.socket_path is not None:
            stream = await anyio.connect_unix(self.socket_path)
        elif self.tls is not None:
            stream = await anyio.connect_tcp(
                self.host, self.port, ssl_context=self.tls, tls_standard_compatible=False
            )
        else:
            stream = await anyio.connect_tcp(self.host, self.port)
        return RedisLink(stream, self)


_UNFIT_MODES: Final[dict[object, str]] = {b"cluster": CLUSTER, b"sentinel": SENTINEL}
_TLS_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_cert_reqs"})


class RedisLink(BaseConnection):
    """coredis' connection over a stream that is open already; runs once."""

    def __init__(self, stream: ByteStream, address: RedisAddress) -> None:
        super().__init__(
            TCPLocation(address.host, address.port),
            username=address.username,
            password=address.password,
            db=address.database,
        )
        self._opened = stream

    async def _connect(self) -> ByteStream:
        await anyio.lowlevel.checkpoint()
        return self._opened

    def pushes_so_far(self) -> Iterator[list[ResponseType]]:
        """Take what has been pushed already, without waiting.

        coredis reads whatever Redis sends and keeps any number of messages. Who takes one each
        turn falls behind a busy channel, and behind what gathered while the process was held.
        """
        with suppress(anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
            while True:
                yield self._push_message_buffer_out.receive_nowait()

    async def refuse_clusters(self) -> None:
        """Ask what kind of server it is.

        Raises:
            BusAway: one that speaks Redis' language and can not carry the bus.
        """
        answer = await self.create_request(b"HELLO", decode=False)
        mode = answer.get(b"mode") if isinstance(answer, dict) else None
        if mode in _UNFIT_MODES:
            raise BusAway(_UNFIT_MODES[mode])

    def describe(self) -> str:
        """Name it in coredis' own messages."""
        return "RedisLink"


def _database(parts: SplitResult, asked: str | None) -> int:
    name = asked if asked is not None else ("" if parts.scheme == "unix" else parts.path.strip("/"))
    if name and not name.isdecimal():
        raise ValueError("the path of a Redis address is the number of a database")
    return int(name or 0)


def _tls(query: dict[str, str]) -> ssl.SSLContext:
    """Check the certificate unless told not to, as hosted Redis with its own ones needs."""
    unknown = [name for name in query if name.startswith("ssl_") and name not in _TLS_OPTIONS]
    if unknown:
        raise ValueError("rediss:// takes ssl_ca_certs=FILE and ssl_cert_reqs=none or required")
    try:
        context = ssl.create_default_context(cafile=query.get("ssl_ca_certs"))
    except (OSError, ssl.SSLError):
        raise ValueError("ssl_ca_certs of rediss:// has to name a file of certificates") from None
    checks = query.get("ssl_cert_reqs", "required").lower()
    if checks not in ("none", "required"):
        raise ValueError("ssl_cert_reqs of rediss:// is none or required")
    if checks == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def fault_code(error: BaseException) -> str:
    """Find the stable code for whatever a connection raised."""
    known = [code for each in _causes(error) if (code := _code_of(each)) is not None]
    # Why it was lost says more than that it was.
    return next((code for code in known if code != LOST), known[0] if known else LOST)


def first_code(error: BaseException) -> str:
    """Read the code of the failure that began it, out of a group of its consequences."""
    codes = [
        each.code if isinstance(each, BusAway) else fault_code(each) for each in _leaves(error)
    ]
    return next((code for code in codes if code != LOST), codes[0])


def _leaves(error: BaseException) -> Iterable[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def fatal(code: str) -> BusRefused | None:
    """Give the refusal for a code that no waiting mends; None for the others."""
    text = FATAL.get(code)
    return None if text is None else BusRefused(code, text)


_BY_CLASS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (redis_errors.AuthenticationFailureError, WRONG_PASSWORD),
    (redis_errors.AuthenticationRequiredError, PASSWORD_NEEDED),
    (redis_errors.AuthorizationError, NOT_PERMITTED),
    (redis_errors.ReadOnlyError, READ_ONLY),
    (redis_errors.BusyLoadingError, LOADING),
    (redis_errors.UnknownCommandError, TOO_OLD),
    (redis_errors.InvalidResponse, NOT_REDIS),
    (redis_errors.ProtocolError, TOO_OLD),
    (redis_errors.RedisClusterError, CLUSTER),
)
_BY_TEXT: Final = (
    ("running in protected mode", PROTECTED),
    ("max number of clients", TOO_MANY_CLIENTS),
    ("oom command not allowed", OUT_OF_MEMORY),
    ("misconf ", NOT_SAVING),
    ("masterdown ", NO_PRIMARY),
    ("without any password configured", WRONG_PASSWORD),
    ("db index is out of range", NO_DATABASE),
    ("invalid db index", NO_DATABASE),
    ("not allowed in cluster mode", CLUSTER),
)


def _code_of(error: BaseException) -> str | None:
    text = str(error).lower()
    for words, code in _BY_TEXT:
        if words in text:
            return code
    for error_class, code in _BY_CLASS:
        if isinstance(error, error_class):
            return code
    if isinstance(error, ssl.SSLError):
        return TLS_FAILED
    if isinstance(error, TimeoutError):
        return SILENT
    if isinstance(error, redis_errors.ConnectionError):
        return LOST
    if isinstance(error, redis_errors.ResponseError):
        return REFUSED
    if isinstance(error, OSError):
        return UNREACHABLE
    if isinstance(error, AssertionError | ValueError | TypeError | KeyError):
        # The handshake's answer could not be read.
        return NOT_REDIS
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
        return
    yield error
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
