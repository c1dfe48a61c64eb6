"""``aeon bench media``: how fast files come in and go out, and what that costs in memory.

Ways for the same bytes, in one run: uploads to a node over a real PostgreSQL; the same request to
Hypercorn as it comes, whose handler discards the body, once as a bare ASGI application (the
baseline) and once in Quart; and a plain copy of the file with fsync. The clients are raw sockets
in threads of this process; each server is a process of its own. Parallel uploads and the two
ways of discarding take turns, and the median counts.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Final
from urllib.parse import urlsplit

import orjson
import trio
import typer
from rich.console import Console
from rich.table import Table

from aeon.bench.child import child, first_line
from aeon.interruption import run_until_interrupted
from aeon.telegram.init_data import sign
from storage import migrate
from storage.embedded import EmbeddedPostgres, throwaway_directory

KILOBYTE: Final = 1024
MEGABYTE: Final = 1024 * 1024
SIZES: Final = {"1 KB": KILOBYTE, "1 MB": MEGABYTE, "50 MB": 50 * MEGABYTE}
REPEATS: Final = {"1 KB": 200, "1 MB": 40, "50 MB": 3}
PARALLEL: Final = 8
ROUNDS: Final = 3
MAX_GROWTH_MB: Final = 8.0
MIN_UPLOAD_SHARE: Final = 0.5
UPLOAD_PATH: Final = "/api/v1/messages/upload-media"
BOT_TOKEN: Final = "4242424242:AABenchBenchBenchBenchBenchBenchBench"
_BLOCK: Final = os.urandom(MEGABYTE)
_BOUNDARY: Final = b"----aeon-bench-boundary"


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """One size of file. Megabytes (2**20 bytes) per second, the median of the repeats."""

    size: str
    repeats: int
    upload: float
    discard: float
    """The same request to Hypercorn with a bare ASGI handler that discards it."""
    download: float
    copy: float
    """A plain file copy with fsync."""


@dataclass(frozen=True, slots=True)
class MediaFigures:
    """Everything one run measured."""

    date: str
    cpu_count: int
    sizes: list[SizeFigures]
    idle_mb: float
    """Resident memory of the node before the parallel uploads."""
    peak_growth_mb: float
    """How much its peak grew during eight parallel uploads of 50 MB, the first round."""
    parallel_upload: float
    parallel_discard: float
    """By a bare ASGI handler on Hypercorn."""
    parallel_quart: float
    """By a Quart handler on Hypercorn."""
    upload_share: float
    """Throughput of parallel 50 MB uploads, as a share of ``parallel_discard``."""

    @property
    def missed(self) -> list[str]:
        """Demands that this run did not meet."""
        found = []
        if self.peak_growth_mb > MAX_GROWTH_MB:
            found.append(f"memory grew by more than {MAX_GROWTH_MB:g} MB")
        if self.upload_share < MIN_UPLOAD_SHARE:
            found.append(f"uploads at less than {MIN_UPLOAD_SHARE:g} of discarding")
        return found


class Client:
    """One person's keep-alive connection, sending and reading as fast as it can."""

    def __init__(self, url: str, user_id: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        user: dict[str, object] = {"id": user_id, "first_name": "Bench"}
        self._init_data = sign(BOT_TOKEN, user=user, auth_date=int(time.time()))
        self._sock = socket.create_connection(self._address)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._sock.makefile("rb")

    def upload(self, size: int) -> dict[str, object]:
        """Send a form with a file that nobody has sent before."""
        head = (
            b'--%b\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" % _BOUNDARY
        )
        unique = secrets.token_bytes(min(size, 32))
        tail = b"\r\n--%b--\r\n" % _BOUNDARY
        length = len(head) + size + len(tail)
        self._sock.sendall(
            f"POST {UPLOAD_PATH} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"X-Telegram-Init-Data: {self._init_data}\r\nContent-Length: {length}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\n\r\n".encode()
            + head
            + unique
        )
        left = size - len(unique)
        while left:
            piece = _BLOCK if left >= len(_BLOCK) else _BLOCK[:left]
            self._sock.sendall(piece)
            left -= len(piece)
        self._sock.sendall(tail)
        body = self._response()
        return {} if not body else dict(orjson.loads(body))

    def download(self, path: str) -> int:
        """Read a file to its end; gives its size."""
        self._sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        length = self._head()
        left = length
        while left:
            left -= len(self._file.read(min(left, MEGABYTE)))
        return length

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._sock.close()

    def _response(self) -> bytes:
        return self._file.read(self._head())

    def _head(self) -> int:
        status = self._file.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"refused: {status!r} {self._file.read1(500)!r}")
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return length


@asynccontextmanager
async def server(*arguments: str) -> AsyncIterator[tuple[str, int]]:
    """Run a server process; gives its address and process id."""
    async with child([sys.executable, "-m", "aeon.bench.media_node", *arguments]) as process:
        url = await first_line(process)
        if not url:
            raise RuntimeError("the server did not start")
        yield url, process.pid


async def run(folder: Path, database_url: str, *, quick: bool = False) -> MediaFigures:
    """Measure everything once."""
    settings = {
        "host": "127.0.0.1",
        "port": 0,
        "database_url": database_url,
        "data_dir": str(folder),
        "upload_dir": str(folder / "uploads"),
        "telegram_bot_token": BOT_TOKEN,
        "secret_key": secrets.token_urlsafe(48),
        "rate_limits": "off",
        "max_file_size": 64 * MEGABYTE,
        "media_user_quota": 64 * 1024 * MEGABYTE,
        "log_level": "WARNING",
    }
    async with (
        server("node", json.dumps(settings)) as (node, pid),
        server("discard") as (discarder, _),
        server("quart") as (in_quart, _),
    ):
        measure = partial(_measure, folder, node, pid, discarder, in_quart, quick=quick)
        # Who is interrupted ends the servers, and with them the thread.
        return await trio.to_thread.run_sync(measure, abandon_on_cancel=True)


def _measure(
    folder: Path, node: str, pid: int, discarder: str, in_quart: str, *, quick: bool
) -> MediaFigures:
    names = ["1 KB", "1 MB"] if quick else list(SIZES)
    sizes = [_measure_size(name, node, discarder, folder) for name in names]
    size = MEGABYTE if quick else 50 * MEGABYTE
    idle = _memory_kb(pid, "VmRSS")
    _reset_peak(pid)
    uploads = [_parallel(node, size)]
    growth = _memory_kb(pid, "VmHWM") - idle
    discards, in_quarts = [_parallel(discarder, size)], [_parallel(in_quart, size)]
    for _ in range(ROUNDS - 1):
        uploads.append(_parallel(node, size))
        discards.append(_parallel(discarder, size))
        in_quarts.append(_parallel(in_quart, size))
    return MediaFigures(
        date=datetime.now(UTC).date().isoformat(),
        cpu_count=os.cpu_count() or 1,
        sizes=sizes,
        idle_mb=idle / 1024,
        peak_growth_mb=growth / 1024,
        parallel_upload=median(uploads),
        parallel_discard=median(discards),
        parallel_quart=median(in_quarts),
        upload_share=median(uploads) / median(discards),
    )


def _measure_size(name: str, node: str, discarder: str, folder: Path) -> SizeFigures:
    size, repeats = SIZES[name], REPEATS[name]
    links = []
    with closing(Client(node, 1)) as client:
        uploads = _rates(size, repeats, lambda: links.append(str(client.upload(size)["media_url"])))
        parts = urlsplit(links[-1])
        path = f"{parts.path}?{parts.query}"
        downloads = _rates(size, repeats, lambda: client.download(path))
    # Connected only now: Hypercorn hangs up on who says nothing for five seconds.
    with closing(Client(discarder, 1)) as discarding:
        discards = _rates(size, repeats, lambda: discarding.upload(size))
    copies = _rates(size, repeats, lambda: _copy(folder, size))
    return SizeFigures(name, repeats, uploads, discards, downloads, copies)


def _rates(size: int, repeats: int, action: Callable[[], object]) -> float:
    """Give the median rate, after one try that does not count."""
    action()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return size / MEGABYTE / sorted(seconds)[len(seconds) // 2]


def _parallel(url: str, size: int) -> float:
    """Upload from eight people at once; gives the rate of all together."""
    clients = [Client(url, 100 + number) for number in range(PARALLEL)]
    threads = [threading.Thread(target=client.upload, args=(size,)) for client in clients]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    for client in clients:
        client.close()
    return PARALLEL * size / MEGABYTE / seconds


def _copy(folder: Path, size: int) -> None:
    target = folder / "copy"
    with target.open("wb", buffering=0) as file:
        left = size
        while left:
            left -= file.write(_BLOCK[: min(left, len(_BLOCK))])
        os.fsync(file.fileno())
    target.unlink()


def _memory_kb(pid: int, field: str) -> int:
    """Read a line of the kernel's account of a process, in kilobytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field}")


def _reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def show(figures: MediaFigures, console: Console) -> None:
    """Print the figures as tables."""
    console.print(f"{figures.date}, {figures.cpu_count} cores; MB/s, median of the repeats")
    table = Table("file", "upload", "discarded", "share", "download", "plain copy")
    for one in figures.sizes:
        table.add_row(
            f"{one.size} x {one.repeats}",
            f"{one.upload:,.1f}",
            f"{one.discard:,.1f}",
            f"{one.upload / one.discard:.0%}",
            f"{one.download:,.1f}",
            f"{one.copy:,.1f}",
        )
    console.print(table)
    console.print(
        f"{PARALLEL} in parallel: {figures.parallel_upload:,.0f} MB/s, discarded by bare ASGI"
        f" {figures.parallel_discard:,.0f} MB/s (share {figures.upload_share:.0%}), by Quart"
        f" {figures.parallel_quart:,.0f} MB/s;"
        f" memory {figures.idle_mb:.0f} MB + {figures.peak_growth_mb:.1f} MB at the peak"
    )
    for line in figures.missed:
        console.print(f"MISSED: {line}")


async def _run_with_postgres(quick: bool) -> MediaFigures:
    with throwaway_directory("aeon-bench-") as folder:
        async with EmbeddedPostgres.start(folder / "postgresql") as postgres:
            await migrate.upgrade(postgres.url)
            return await run(folder, postgres.url, quick=quick)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option(help="Smaller files: for a first impression.")] = False,
) -> None:
    """Measure uploads and downloads beside discarding and copying."""
    figures = run_until_interrupted(_run_with_postgres, quick)
    if as_json:
        document = asdict(figures) | {"missed": figures.missed}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        show(figures, Console())
    if figures.missed and not quick:
        raise typer.Exit(1)
