"""PostgreSQL for those who brought none: started with Aeon, its data in a local directory.

    data_dir/
        cluster/        PostgreSQL's own files
        run/            the socket; nobody else can enter
        server.log      at most two files of ``LOG_MAX_BYTES`` at start
        start.lock      held while a process starts or stops the server
        users.lock      held (shared) by every process that uses it

The server outlives a killed Aeon, and the next start attaches to it. Several processes may use one
directory: the last to leave stops the server, whoever started it. Both locks are ``flock``: they
end with their process, so no kill leaves a lie behind.

As root the server runs under an unprivileged account. A directory that account can not reach
(below ``/root``) is replaced by one in ``/var/lib/aeon``, and ``data_dir`` tells which.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Final

import psycopg
import trio
from psycopg import sql

from storage.errors import Unavailable
from storage.postmaster import (
    Account,
    Postmaster,
    create_cluster,
    find_programs,
    make_private_directory,
    run_as,
)

DATABASE: Final = "aeon"
START_TIMEOUT_SECONDS: Final = 60.0
"""Recovery after a crash replays up to ``max_wal_size`` of log."""
STOP_TIMEOUT_SECONDS: Final = 10.0
_ATTEMPTS_AFTER_A_CRASH: Final = 5
WATCH_INTERVAL_SECONDS: Final = 1.0
LOG_MAX_BYTES: Final = 4 * 2**20
SOCKET_PATH_MAX_BYTES: Final = 107
"""The kernel's bound on a Unix socket's path."""

_logger: Final = logging.getLogger(__name__)
_SYSTEM_DATA: Final = Path("/var/lib/aeon")
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log tells what went wrong, never whose text it was.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """A server of our own. ``start`` it from Trio, or use ``running`` from a thread."""

    url: str
    """Where its database is."""
    data_dir: Path
    """Where the data really is."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self._account = Account.choose()
        self.data_dir = _reachable(data_dir.expanduser().resolve(), self._account)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._cluster = self.data_dir / "cluster"
        self._log = self.data_dir / "server.log"
        self._server: Postmaster | None = None
        self._use: IO[bytes] | None = None
        self._watching = trio.CancelScope()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        keep_running: bool = True,
    ) -> AsyncIterator[EmbeddedPostgres]:
        """Start the server or attach to it; stop it at the end if nobody else uses it.

        Args:
            data_dir: made if missing.
            settings: server settings over Aeon's own (``{"fsync": "off"}`` for tests).
            keep_running: start it again if it ends meanwhile (killed for want of memory).

        Raises:
            Unavailable: it did not start; the text says why and what to do.
        """
        server = await trio.to_thread.run_sync(cls, data_dir, settings)
        try:
            # A cancelled start is waited for, so that nothing is left running unknown.
            await trio.to_thread.run_sync(server.enter)
            if keep_running:
                # A nursery around the block would wrap its errors in groups.
                trio.lowlevel.spawn_system_task(server._keep_running)
            yield server
        finally:
            server._watching.cancel()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(server.leave)

    @classmethod
    @contextmanager
    def running(
        cls, data_dir: Path, *, settings: Mapping[str, str] | None = None
    ) -> Iterator[EmbeddedPostgres]:
        """``start`` for code that may block."""
        server = cls(data_dir, settings)
        try:
            server.enter()
            yield server
        finally:
            server.leave()

    async def _keep_running(self) -> None:
        with self._watching:
            while True:
                await trio.sleep(WATCH_INTERVAL_SECONDS)
                if self._server is None or self._server.is_running:
                    continue
                _logger.error("the embedded PostgreSQL ended; starting it again")
                try:
                    await trio.to_thread.run_sync(self._revive)
                except (Unavailable, OSError, psycopg.Error) as error:
                    _logger.error("it did not start: %s", error)

    def _revive(self) -> None:
        with self._starting():
            # Whoever else uses it may have been faster; its address stays the same.
            if self._use is not None:
                self._server = self._attach_or_launch()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._server is not None, "not started"
        return self._server.pid

    def enter(self) -> None:
        """Begin to use the server. Blocks."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self._starting():
                self._use = self._begin_use()
        except OSError as error:
            raise Unavailable(f"PostgreSQL can not live in {self.data_dir}: {error}") from error
        assert self._server is not None, "_begin_use started it"
        self.url = self._server.url(DATABASE)
        try:
            _create_database(self._server.url("postgres"))
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL ended right after its start: {error}") from error

    def _begin_use(self) -> IO[bytes]:
        with ExitStack() as undo:
            use = undo.enter_context((self.data_dir / "users.lock").open("ab"))
            fcntl.flock(use, fcntl.LOCK_SH)
            self._server = self._attach_or_launch()
            undo.pop_all()
            return use

    def leave(self) -> None:
        """End the use; the last one out stops the server. Blocks."""
        if self._use is None:
            return
        with self._starting(), self._use as use:
            self._use = None
            fcntl.flock(use, fcntl.LOCK_UN)
            if _is_unused(use):
                self._stop()
            if self._server is not None:
                self._server.disown()

    def _stop(self) -> None:
        """Stop what runs now: somebody may have restarted what we started."""
        for server in (self._server, Postmaster.find(self._cluster)):
            if server is not None:
                server.stop(STOP_TIMEOUT_SECONDS)
        if (directory := self._socket_dir()).parent != self.data_dir:
            shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Hold ``start.lock``: nobody else starts or stops this server meanwhile."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        with (self.data_dir / "start.lock").open("ab") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Unavailable(
                            f"another process has been starting PostgreSQL in {self.data_dir}"
                            f" for {START_TIMEOUT_SECONDS:.0f} seconds"
                        ) from None
                    time.sleep(0.02)  # noqa: TID251 # runs in a thread
            yield

    def _attach_or_launch(self) -> Postmaster:
        if (running := Postmaster.find(self._cluster)) is not None:
            try:
                running.wait_until_ready(START_TIMEOUT_SECONDS, self._log)
            except Unavailable:
                if running.is_running:
                    raise
                # It was just ending.
            else:
                return running
        programs = find_programs(self._account)
        if not (self._cluster / "PG_VERSION").exists():
            create_cluster(programs, self._account, self._cluster)
        self._refuse_other_version(programs)
        self._rotate_log()
        socket_dir = self._make_socket_dir()
        # A crash left these, or nothing did: whoever has their pid now is no server of ours.
        leftovers = [self._cluster / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")]
        has_crashed = leftovers[0].exists()
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        for _ in range(_ATTEMPTS_AFTER_A_CRASH if has_crashed else 0):
            try:
                return self._launch(programs, socket_dir)
            except Unavailable:
                # Its last backends hold on to shared memory until they notice.
                time.sleep(0.5)  # noqa: TID251 # runs in a thread
        return self._launch(programs, socket_dir)

    def _launch(self, programs: Path, socket_dir: Path) -> Postmaster:
        server = Postmaster.launch(
            programs,
            self._account,
            self._cluster,
            socket_dir=socket_dir,
            log=self._log,
            settings=self._settings,
        )
        try:
            server.wait_until_ready(START_TIMEOUT_SECONDS, self._log)
        except BaseException:
            server.stop(STOP_TIMEOUT_SECONDS)
            raise
        return server

    def _refuse_other_version(self, programs: Path) -> None:
        found = (self._cluster / "PG_VERSION").read_text().strip()
        ours = run_as(None, [programs / "postgres", "--version"]).stdout.split()[-1]
        if ours.partition(".")[0] != found:
            raise Unavailable(
                f"The data in {self.data_dir} is PostgreSQL {found}'s, and this is {ours}."
                f" Dump it with version {found} and restore it into an empty directory."
            )

    def _socket_dir(self) -> Path:
        directory = self.data_dir / "run"
        if len(os.fsencode(directory / ".s.PGSQL.00000.lock")) <= SOCKET_PATH_MAX_BYTES:
            return directory
        return Path("/tmp") / f"aeon-{os.geteuid()}-{_digest(self.data_dir)}"

    def _make_socket_dir(self) -> Path:
        directory = self._socket_dir()
        owner = self._account.uid if self._account else os.geteuid()
        if directory.is_symlink() or (directory.exists() and directory.stat().st_uid != owner):
            raise Unavailable(f"{directory} is somebody else's; choose a shorter data directory")
        make_private_directory(directory, self._account)
        return directory

    def _rotate_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_MAX_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))


def _is_unused(use: IO[bytes]) -> bool:
    """Whether no other process holds the lock; takes it if so."""
    try:
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def throwaway_directory(prefix: str) -> Iterator[Path]:
    """Give a temporary directory in which an embedded server can live, and remove it.

    Others may pass through it but not list it: as root the server runs under an account of its
    own, which could not get into a directory that is closed to all.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def location(data_dir: Path) -> Path:
    """Tell where a server started for ``data_dir`` keeps its data: there, or in a stand-in."""
    return _reachable(data_dir.expanduser().resolve(), Account.choose())


def _reachable(data_dir: Path, account: Account | None) -> Path:
    """The directory itself, or its stand-in if the account can not get there."""
    if account is None:
        return data_dir
    existing = data_dir
    while not existing.exists():
        existing = existing.parent
    if run_as(account, ["/bin/sh", "-c", 'cd -- "$0"', existing]).returncode == 0:
        return data_dir
    return _SYSTEM_DATA / f"{data_dir.name}-{_digest(data_dir)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
