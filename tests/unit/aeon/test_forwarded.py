"""Who the client is, when proxies speak for it, and when liars do."""

from typing import Any

import pytest

from aeon.forwarded import ForwardedMiddleware, TrustedProxies

OURS = TrustedProxies.parse(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7, 10.1.2.3, 10.9.9.9", "203.0.113.7"),
        ("10.1.2.3, 10.9.9.9", "10.1.2.3"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ("2001:db8::7, fd00::1", "2001:db8::7"),
        ("203.0.113.7, ::ffff:10.1.2.3", "203.0.113.7"),
        ("203.0.113.7, unknown", "127.0.0.1"),
        ("203.0.113.7, <script>, 10.1.2.3", "10.1.2.3"),
        ("", "127.0.0.1"),
        (",,,", "127.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(forwarded_for: str, client: str) -> None:
    assert OURS.client_of("127.0.0.1", forwarded_for) == client


def test_trusting_anybody_means_one_hop() -> None:
    anybody = TrustedProxies.parse(["*"])
    assert anybody.trusts("198.51.100.9")
    assert anybody.client_of("198.51.100.9", "127.0.0.1, 10.0.0.1, 203.0.113.7") == "203.0.113.7"


async def _seen(
    proxies: TrustedProxies,
    peer: tuple[str, int] | None,
    *headers: tuple[bytes, bytes],
    scheme: str = "http",
) -> tuple[Any, str]:
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)

    scope = {"type": "http", "scheme": scheme, "client": peer, "headers": list(headers)}
    await ForwardedMiddleware(app, proxies)(scope, None, None)
    return found[0]["client"], found[0]["scheme"]


FOR = (b"x-forwarded-for", b"203.0.113.7")
HTTPS = (b"x-forwarded-proto", b"https")


async def test_headers_of_a_proxy_are_believed() -> None:
    assert await _seen(OURS, ("10.1.2.3", 5), FOR, HTTPS) == (("203.0.113.7", 0), "https")
    assert await _seen(OURS, ("10.1.2.3", 5), FOR, HTTPS, scheme="ws") == (
        ("203.0.113.7", 0),
        "wss",
    )


async def test_headers_of_anybody_else_are_not() -> None:
    stranger = ("203.0.113.9", 5)
    assert await _seen(OURS, stranger, FOR, HTTPS) == (stranger, "http")
    assert await _seen(OURS, None, FOR, HTTPS) == (None, "http")
    assert await _seen(TrustedProxies(), ("127.0.0.1", 5), FOR, HTTPS) == (
        ("127.0.0.1", 5),
        "http",
    )


async def test_several_headers_are_one_list() -> None:
    first = (b"X-Forwarded-For", b"1.1.1.1, 203.0.113.7")
    second = (b"x-forwarded-for", b"10.1.2.3")
    client, _ = await _seen(OURS, ("127.0.0.1", 5), first, second)
    assert client == ("203.0.113.7", 0)


async def test_only_the_nearest_proxy_says_how_the_client_came() -> None:
    proxy = ("127.0.0.1", 5)
    forged = (b"x-forwarded-proto", b"https, http")
    assert (await _seen(OURS, proxy, forged, scheme="http"))[1] == "http"
    assert (await _seen(OURS, proxy, (b"x-forwarded-proto", b"gopher")))[1] == "http"
    assert (await _seen(OURS, proxy, (b"x-forwarded-proto", b"http"), scheme="https"))[1] == "http"


@pytest.mark.parametrize("entries", [["example.org"], ["10.0.0.1/8"], ["300.1.1.1"]])
def test_what_is_no_network_is_refused(entries: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\d|example"):
        TrustedProxies.parse(entries)
