"""The embedded server's life: start, share, crash, attach, stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import trio

from storage import embedded, postmaster
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import Unavailable
from storage.postmaster import Postmaster
from tests.helpers.ordinary import run_as_ordinary_user

HOLDER = """
import sys, time
from pathlib import Path
from storage.embedded import EmbeddedPostgres
with EmbeddedPostgres.running(Path(sys.argv[1]), settings={"fsync": "off"}) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def pristine() -> Iterator[Path]:
    """A cluster that was made, used and stopped: copying it is faster than making another."""
    directory = Path(tempfile.mkdtemp(prefix="aeon-pristine-"))
    directory.chmod(0o711)
    with EmbeddedPostgres.running(directory / "pg", settings={"fsync": "off"}):
        pass
    yield directory / "pg"
    shutil.rmtree(directory)


@pytest.fixture
def data_dir(pristine: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="aeon-embedded-"))
    directory.chmod(0o711)
    subprocess.run(["cp", "-a", pristine, directory / "pg"], check=True)
    yield directory / "pg"
    left = Postmaster.find(directory / "pg" / "cluster")
    if left is not None:
        left.stop(5)
    shutil.rmtree(directory)
    assert left is None, "a server was left running"


def start(data_dir: Path) -> EmbeddedPostgres:
    server = EmbeddedPostgres(data_dir, {"fsync": "off"})
    server.enter()
    return server


def query(server: EmbeddedPostgres, statement: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]


def hold(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that uses the server until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def release(process: subprocess.Popen[str]) -> None:
    with process:
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="aeon-first-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


async def test_a_first_start_makes_everything(empty_dir: Path) -> None:
    data_dir = empty_dir / "some" / "where"
    async with EmbeddedPostgres.start(data_dir) as server:
        async with Database.open(server.url) as database, database.connection() as connection:
            row = await connection.fetch_one(
                "SELECT current_database(), current_setting('listen_addresses'),"
                " current_setting('fsync'), lower('ÄÖ')"
            )
            assert row == ("aeon", "", "on", "äö")
        assert server.data_dir == data_dir
        socket_dir = await trio.Path(data_dir / "run").stat()
        assert socket_dir.st_mode & 0o777 == 0o700
    assert Postmaster.find(data_dir / "cluster") is None


def test_data_survives_a_restart(data_dir: Path) -> None:
    with EmbeddedPostgres.running(data_dir) as server:
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedPostgres.running(data_dir) as server:
        assert query(server, "SELECT answer FROM kept") == 42


def test_the_last_one_out_stops_it(data_dir: Path) -> None:
    first = start(data_dir)
    second, pid = hold(data_dir)
    assert pid == first.pid
    first.leave()
    assert Postmaster.find(data_dir / "cluster") is not None
    third = start(data_dir)
    assert third.pid == pid
    release(second)
    assert query(third, "SELECT 1") == 1
    third.leave()


def test_a_killed_owner_leaves_a_server_to_attach_to(data_dir: Path) -> None:
    owner, pid = hold(data_dir)
    owner.kill()
    owner.communicate()
    with EmbeddedPostgres.running(data_dir) as server:
        assert server.pid == pid
        assert query(server, "SELECT 1") == 1
    # The new owner was the last one out, and the old one's use ended with it.
    assert Postmaster.find(data_dir / "cluster") is None


def test_an_ordinary_user_attaches_as_well(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server then runs as oneself, which is not how it runs under root."""
    programs = postmaster.find_programs(postmaster.Account.choose())
    monkeypatch.setattr(embedded, "find_programs", lambda account: programs)
    for name in ("start.lock", "users.lock", "server.log"):
        # Root's, from when the copied cluster was made.
        (data_dir / name).unlink(missing_ok=True)
    account = postmaster.Account.choose()
    if account is not None:
        os.chown(data_dir, account.uid, account.gid)

    def die_while_it_runs() -> None:
        server = start(data_dir)
        (data_dir / "pid").write_text(str(server.pid))
        os.kill(os.getpid(), signal.SIGKILL)

    def attach() -> None:
        assert os.geteuid() != 0
        assert postmaster.Account.choose() is None
        owner = os.fork()
        if owner == 0:
            die_while_it_runs()
        _, ended = os.waitpid(owner, 0)
        assert os.WTERMSIG(ended) == signal.SIGKILL
        with EmbeddedPostgres.running(data_dir) as server:
            assert server.pid == int((data_dir / "pid").read_text())
            pid_file = data_dir / "cluster" / "postmaster.pid"
            assert pid_file.stat().st_uid == os.geteuid()
            assert query(server, "SELECT 1") == 1

    run_as_ordinary_user(attach)
    assert Postmaster.find(data_dir / "cluster") is None


def test_a_terminal_interrupt_does_not_reach_the_server(data_dir: Path) -> None:
    with EmbeddedPostgres.running(data_dir) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)
        assert os.getsid(server.pid) != os.getsid(0)


def test_a_stale_pid_file_whose_pid_is_somebody_else(data_dir: Path) -> None:
    account = postmaster.Account.choose()
    stranger = subprocess.Popen(
        ["sleep", "60"],
        user=account.uid if account else None,
        group=account.gid if account else None,
    )
    try:
        (data_dir / "cluster" / "postmaster.pid").write_text(
            f"{stranger.pid}\n{data_dir}/cluster\n1\n5432\n{data_dir}/run\n\n\nready\n"
        )
        with EmbeddedPostgres.running(data_dir) as server:
            assert server.pid != stranger.pid
            assert query(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_server_recovers(data_dir: Path) -> None:
    first = start(data_dir)
    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(first.pid, signal.SIGKILL)
        # A backend may outlive its postmaster by a moment, and holds on to shared memory.
        with EmbeddedPostgres.running(data_dir) as second:
            assert query(second, "SELECT answer FROM kept") == 42
            first.leave()
            assert query(second, "SELECT answer FROM kept") == 42


async def test_a_killed_server_is_started_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "WATCH_INTERVAL_SECONDS", 0.05)
    async with EmbeddedPostgres.start(data_dir) as server:
        killed = server.pid
        async with Database.open(server.url) as database:
            os.kill(killed, signal.SIGKILL)
            with trio.fail_after(60):
                answer = None
                # Who was told that it is away may be told so once more when it is back.
                while server.pid == killed or answer is None:
                    answer = None
                    with suppress(Unavailable):
                        async with database.connection() as connection:
                            answer = await connection.fetch_one("SELECT 1")
            assert answer == (1,)
    assert "starting it again" in caplog.text


def test_a_long_path_gets_a_socket_elsewhere(data_dir: Path) -> None:
    deep = data_dir.parent / ("x" * 100) / "pg"
    deep.parent.mkdir()
    data_dir.rename(deep)
    try:
        with EmbeddedPostgres.running(deep) as server:
            assert query(server, "SELECT 1") == 1
    finally:
        deep.rename(data_dir)


def test_a_log_does_not_grow_for_ever(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_MAX_BYTES", 100)
    for _ in range(3):
        (data_dir / "server.log").write_text("x" * 200)
        with EmbeddedPostgres.running(data_dir):
            pass
    assert sorted(path.name for path in data_dir.glob("server.log*")) == [
        "server.log",
        "server.log.1",
    ]


def test_another_major_version_is_refused(data_dir: Path) -> None:
    (data_dir / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(Unavailable, match="PostgreSQL 12's"):
        EmbeddedPostgres(data_dir).enter()


def test_a_start_that_fails_says_why(data_dir: Path) -> None:
    with pytest.raises(Unavailable, match="shared_buffers"):
        EmbeddedPostgres(data_dir, {"shared_buffers": "nonsense"}).enter()


def test_no_text_in_the_log(data_dir: Path) -> None:
    with EmbeddedPostgres.running(data_dir) as server:
        query(server, "CREATE TABLE secrets (word text PRIMARY KEY)")
        for _ in range(2):
            try:
                query(server, "INSERT INTO secrets VALUES ('abracadabra')")
            except psycopg.errors.UniqueViolation:
                break
    assert "abracadabra" not in (data_dir / "server.log").read_text()


async def test_a_cancelled_start_leaves_nothing(data_dir: Path) -> None:
    with trio.move_on_after(0.05):
        async with EmbeddedPostgres.start(data_dir):
            await trio.sleep_forever()
    assert Postmaster.find(data_dir / "cluster") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to step down to")
def test_a_home_closed_to_the_account(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root in /root: the data goes where the server's account can reach it."""
    closed = data_dir.parent / "home"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(embedded, "_SYSTEM_DATA", data_dir.parent / "var")
    server = EmbeddedPostgres(closed / "project" / "data")
    assert server.data_dir.parent == data_dir.parent / "var"
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to step down to")
def test_programs_the_account_can_not_reach_are_copied(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = postmaster.Account.choose()
    assert account is not None
    cache = data_dir.parent / "cache"
    monkeypatch.setattr(postmaster, "_CACHE", cache)
    attempts = iter([False])
    can_run = postmaster._can_run
    monkeypatch.setattr(
        postmaster, "_can_run", lambda *args: next(attempts, None) is None and can_run(*args)
    )
    programs = postmaster.find_programs(account)
    assert programs.is_relative_to(cache)
    assert can_run(account, programs)
    with EmbeddedPostgres.running(data_dir) as server:
        assert query(server, "SELECT 1") == 1
