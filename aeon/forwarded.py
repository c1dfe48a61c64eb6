"""Who is behind a proxy: ``X-Forwarded-For`` and ``X-Forwarded-Proto``, from trusted proxies only.

Anybody can send these headers, so they count only when the connection comes from an address in
TRUSTED_PROXIES. Each proxy appends the address it was called from, so the list is read from its
end: the first address that is no trusted proxy is the client, and what stands before it is hearsay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

ANYBODY: Final = "*"
_SECURE: Final = {"http": "https", "ws": "wss", "https": "https", "wss": "wss"}
_INSECURE: Final = {secure: plain for plain, secure in (("http", "https"), ("ws", "wss"))}
_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Which addresses are proxies of ours."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    trusts_anybody: bool = False
    """Whoever connects is a proxy, and the only one: where nobody else can reach the port."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> TrustedProxies:
        """Read addresses and networks, or ``*``.

        Raises:
            ValueError: an entry is neither.
        """
        given = tuple(entries)
        if ANYBODY in given:
            return cls(trusts_anybody=True)
        return cls(tuple(ip_network(entry) for entry in given))

    def __bool__(self) -> bool:
        return self.trusts_anybody or bool(self.networks)

    def trusts(self, address: str) -> bool:
        """Say whether this address is a proxy of ours."""
        if self.trusts_anybody:
            return True
        return self._is_listed(address)

    def client_of(self, peer: str, forwarded_for: str) -> str:
        """Find the client's address behind a peer that is trusted."""
        client = peer
        for entry in reversed(forwarded_for.split(",")):
            address = _clean(entry)
            if address is None:
                break
            client = address
            if not self._is_listed(address):
                break
        return client

    def _is_listed(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


class ForwardedMiddleware:
    """An ASGI application that shows the one inside it the client instead of the proxy."""

    def __init__(self, app: Application, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope."""
        client = scope.get("client")
        if client is not None and self._proxies.trusts(client[0]):
            scope = self._seen_through(scope, client)
        await self._app(scope, receive, send)

    def _seen_through(self, scope: Any, client: tuple[str, int]) -> Any:
        seen = dict(scope)
        forwarded_for = _joined(scope["headers"], _FOR)
        if forwarded_for:
            address = self._proxies.client_of(client[0], forwarded_for)
            if address != client[0]:
                seen["client"] = (address, 0)
        # Each proxy overwrites or appends this one; the last word is our proxy's.
        proto = _joined(scope["headers"], _PROTO).rpartition(",")[2].strip().lower()
        if proto in _SECURE:
            schemes = _SECURE if proto in ("https", "wss") else _INSECURE
            seen["scheme"] = schemes.get(scope["scheme"], scope["scheme"])
        return seen


def _joined(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return ",".join(value.decode("latin-1") for name, value in headers if name.lower() == wanted)


def _clean(entry: str) -> str | None:
    """Give the address of an entry, which some proxies write with a port; None: it is none."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
