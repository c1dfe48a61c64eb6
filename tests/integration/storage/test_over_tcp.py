"""The driver over TCP with a password, and over TLS: what a DATABASE_URL of a provider asks for."""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import trio
from psycopg import sql

from storage import migrate, postmaster
from storage.commands import Committed
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import Unavailable
from tests.helpers.certificates import write_certificate
from tests.helpers.commands import create, send
from tests.helpers.people import add_people
from tests.helpers.postgres import FAST_SETTINGS
from tests.helpers.redis import free_port
from tests.helpers.tls_proxy import TlsProxy
from tests.helpers.writing import append_one, running_writer

ROLE = "pär@son"
PASSWORD = "a/b c?d#€:" + secrets.token_hex(4)
"""Everything that has to be quoted in a URL."""
HBA = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class TcpServer:
    """A PostgreSQL that listens on TCP and wants a password there."""

    port: int
    certificate: Path
    key: Path

    def url(self, port: int | None = None, *, password: str = PASSWORD, **params: str) -> str:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())
        who = f"{quote(ROLE, safe='')}:{quote(password, safe='')}"
        host = params.get("host", "127.0.0.1")
        return f"postgresql://{who}@{host}:{port or self.port}/aeon?{query}"


async def prepare(url: str) -> None:
    await migrate.upgrade(url)
    async with Database.open(url) as database:
        await add_people(database, range(1, 4))


@pytest.fixture(scope="module")
def tcp_server() -> Iterator[TcpServer]:
    with tempfile.TemporaryDirectory(prefix="aeon-tcp-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        hba = directory / "hba.conf"
        hba.write_text(HBA)
        hba.chmod(0o644)
        settings = {**FAST_SETTINGS, "listen_addresses": "127.0.0.1", "hba_file": str(hba)}
        server = EmbeddedPostgres(directory / "pg", settings)
        port = free_port()
        with pytest.MonkeyPatch.context() as patch:
            # An embedded server names its socket after this port, and opens it nowhere else.
            patch.setattr(postmaster, "PORT", port)
            server.enter()
        try:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(
                        sql.Identifier(ROLE), sql.Literal(PASSWORD)
                    )
                )
            trio.run(prepare, TcpServer(port, hba, hba).url())
            yield TcpServer(port, *write_certificate(directory))
        finally:
            server.leave()


@pytest.fixture
async def proxy(tcp_server: TcpServer) -> AsyncIterator[TlsProxy]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tcp_server.certificate, tcp_server.key)
    async with TlsProxy.open(context, tcp_server.port) as opened:
        yield opened


async def use(database: Database, chat: int) -> None:
    """Everything that is different when bytes come in records: size, pipelines, cancelling."""
    long = "€uro" * 500_000
    async with database.connection() as connection:
        assert await connection.fetch_one("SELECT %(text)s::text", {"text": long}) == (long,)
        rows = await connection.fetch_many([("SELECT repeat('x', 300000), 1", {})] * 5)
        assert [len(row[0][0]) for row in rows] == [300_000] * 5
        pid = await connection.fetch_one("SELECT pg_backend_pid()")
    with trio.move_on_after(0.1) as patience:
        async with database.connection() as connection:
            await connection.fetch_one("SELECT pg_sleep(30)")
    assert patience.cancelled_caught
    async with database.connection() as connection:
        # Cancelled on the server, over a connection of the same kind; this one is still good.
        assert await connection.fetch_one("SELECT pg_backend_pid()") == pid
    async with running_writer(database) as writer:
        assert isinstance(await append_one(writer, create(chat, 1, 2, title="T")), Committed)
        assert isinstance(await append_one(writer, send(chat, 1)), Committed)
    statistics = database.statistics()
    assert (statistics.cancels >= 1, statistics.reconnects, statistics.in_use) == (True, 0, 0)


async def test_with_a_password(tcp_server: TcpServer) -> None:
    async with Database.open(tcp_server.url()) as database:
        await use(database, 1)
        async with database.connection() as connection:
            row = await connection.fetch_one("SELECT current_user, inet_server_port()")
    assert row == (ROLE, tcp_server.port)


async def test_a_name_is_resolved_without_blocking(tcp_server: TcpServer) -> None:
    async with (
        Database.open(tcp_server.url(host="localhost")) as database,
        database.connection() as connection,
    ):
        assert await connection.fetch_one("SELECT 1") == (1,)


async def test_a_wrong_password_is_named_but_never_shown(tcp_server: TcpServer) -> None:
    wrong = "hunter2-" + secrets.token_hex(4)
    with pytest.raises(Unavailable, match="password authentication failed") as caught:
        async with Database.open(tcp_server.url(password=wrong), acquire_timeout_seconds=1.0):
            pass
    assert wrong not in str(caught.value)


async def test_over_tls(tcp_server: TcpServer, proxy: TlsProxy) -> None:
    async with Database.open(tcp_server.url(proxy.port, sslmode="require")) as database:
        await use(database, 2)
    assert proxy.connections >= 1


async def test_over_verified_tls(tcp_server: TcpServer, proxy: TlsProxy) -> None:
    trusted = {"sslmode": "verify-full", "sslrootcert": str(tcp_server.certificate)}
    async with Database.open(tcp_server.url(proxy.port, **trusted)) as database:
        await use(database, 3)
        await migrate.require_head(database)
    await migrate.upgrade(tcp_server.url(proxy.port, **trusted))


async def test_a_certificate_of_another_host(tcp_server: TcpServer, proxy: TlsProxy) -> None:
    trusted = {"sslmode": "verify-full", "sslrootcert": str(tcp_server.certificate)}
    url = tcp_server.url(proxy.port, host="localhost", **trusted)
    with pytest.raises(Unavailable, match="localhost"):
        async with Database.open(url, acquire_timeout_seconds=1.0):
            pass


async def test_a_certificate_nobody_vouches_for(tcp_server: TcpServer, proxy: TlsProxy) -> None:
    stranger = tcp_server.certificate.with_name("stranger")
    stranger.mkdir(exist_ok=True)
    other, _ = write_certificate(stranger)
    url = tcp_server.url(proxy.port, sslmode="verify-full", sslrootcert=str(other))
    with pytest.raises(Unavailable, match="certificate"):
        async with Database.open(url, acquire_timeout_seconds=1.0):
            pass


async def test_no_password_goes_out_without_tls(tcp_server: TcpServer) -> None:
    """Where TLS is required, a server without it is refused."""
    with pytest.raises(Unavailable, match="SSL"):
        async with Database.open(tcp_server.url(sslmode="require"), acquire_timeout_seconds=1.0):
            pass
