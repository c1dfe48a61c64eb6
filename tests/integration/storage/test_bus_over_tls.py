"""The bus over rediss://: a certificate that is trusted, one that is not, and no TLS at all."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from storage.bus import BusRefused
from storage.bus_redis import RedisBus, RedisOptions
from tests.helpers.certificates import write_certificate
from tests.helpers.redis import RedisServer, running_redis
from tests.helpers.tls_proxy import TlsProxy


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis("--requirepass", "secret") as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path)


@pytest.fixture
async def proxy(server: RedisServer, certificate: tuple[Path, Path]) -> AsyncIterator[TlsProxy]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with TlsProxy.open(context, server.port, is_asked_for=False) as proxy:
        yield proxy


def make_bus(port: int, query: str = "", *, scheme: str = "rediss") -> RedisBus:
    url = f"{scheme}://:secret@127.0.0.1:{port}/0{query}"
    return RedisBus(url, namespace="aeon:test", options=RedisOptions(connect_seconds=1.0))


@pytest.mark.parametrize("query", ["?ssl_ca_certs={certificate}", "?ssl_cert_reqs=none"])
async def test_it_works_with_a_certificate_it_was_given_or_told_not_to_check(
    proxy: TlsProxy, certificate: tuple[Path, Path], query: str
) -> None:
    query = query.format(certificate=certificate[0])
    a, b = make_bus(proxy.port, query), make_bus(proxy.port, query)
    heard: list[bytes] = []
    b.on("t", lambda _sender, payload: heard.append(payload))
    await a.check()
    async with trio.open_nursery() as nursery:
        await nursery.start(a.run)
        await nursery.start(b.run)
        with trio.fail_after(60):
            assert a.publish("t", bytes(100_000))
            while not heard:  # noqa: ASYNC110 - it comes over Redis
                await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    assert heard == [bytes(100_000)]
    assert proxy.connections == 3


async def test_a_certificate_nobody_vouches_for_is_refused(proxy: TlsProxy) -> None:
    with pytest.raises(BusRefused, match="TLS handshake failed") as caught:
        await make_bus(proxy.port).check()
    assert caught.value.code == "redis_tls_failed"
    assert "secret" not in str(caught.value)
    assert proxy.connections == 0


async def code_after_the_first_attempt(bus: RedisBus) -> str | None:
    """Such a Redis may just be stopped: the start does not fail over it."""
    await bus.check()
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.run)
        nursery.cancel_scope.cancel()
    assert not bus.is_connected
    return bus.statistics().last_error


async def test_a_redis_without_tls_is_named(server: RedisServer) -> None:
    bus = make_bus(server.port, "?ssl_cert_reqs=none")
    assert await code_after_the_first_attempt(bus) == "redis_tls_silent"


async def test_a_redis_with_tls_alone_hangs_up(proxy: TlsProxy) -> None:
    bus = make_bus(proxy.port, scheme="redis")
    assert await code_after_the_first_attempt(bus) == "redis_lost"


@pytest.mark.parametrize(
    "query", ["?ssl_ca_certs=/nowhere.pem", "?ssl_cert_reqs=never", "?ssl_check_hostname=maybe"]
)
def test_options_that_make_no_sense_are_refused(query: str) -> None:
    with pytest.raises(ValueError, match="ssl_"):
        make_bus(6379, query)
