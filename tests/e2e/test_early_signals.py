"""Signals that come before a command listens to them in its own way: none is lost."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.embedded import throwaway_directory
from storage.postmaster import Postmaster
from tests.helpers.signalled import signalled
from tests.helpers.workers import serving_environment

END_SECONDS = 60.0


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for its end; its status and what it said on standard error."""
    with process:
        try:
            _, told = process.communicate(timeout=END_SECONDS)
        finally:
            process.kill()
    return process.returncode, told


@pytest.mark.parametrize(
    ("number", "where", "module"),
    [
        (signal.SIGHUP, "here", "typer"),
        (signal.SIGINT, "here", "aeon.demo"),
        # Where an exception raised by a handler is written to standard error, and forgotten.
        (signal.SIGTERM, "callback", "aeon.demo.run"),
    ],
)
def test_a_command_that_is_still_importing_ends(
    tmp_path: Path, number: signal.Signals, where: str, module: str
) -> None:
    process = signalled(
        number, "import", module, "demo", where=where, env={"TMPDIR": str(tmp_path)}
    )

    assert ended(process) == (130, "aeon: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "module", "arguments"),
    [
        (signal.SIGTERM, "typer", ()),
        (signal.SIGHUP, "aeon.cli.serve", ()),
        (signal.SIGINT, "aeon.supervise.supervisor", ("--workers", "1")),
    ],
)
def test_a_server_that_is_still_importing_ends_in_order(
    tmp_path: Path, number: signal.Signals, module: str, arguments: tuple[str, ...]
) -> None:
    environment = serving_environment("postgresql://nobody@127.0.0.1:1/none", tmp_path)

    process = signalled(
        number, "import", module, "serve", *arguments, env=environment, cwd=tmp_path
    )

    assert ended(process) == (0, "")


def test_a_worker_that_is_still_importing_ends_in_order(tmp_path: Path) -> None:
    process = signalled(
        signal.SIGTERM, "import", "aeon.config", "{}", program="aeon.supervise.worker", cwd=tmp_path
    )

    assert ended(process) == (0, "")


@pytest.mark.parametrize(("event", "word"), [("import", "typer"), ("subprocess.Popen", "check")])
def test_a_hangup_ends_no_supervisor_that_is_still_starting(
    tmp_path: Path, database_url: str, event: str, word: str
) -> None:
    environment = serving_environment(database_url, tmp_path)

    with signalled(
        signal.SIGHUP, event, word, "serve", "--workers", "1", env=environment, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            assert (line := process.stdout.readline()).startswith("Aeon listens on "), line
            assert httpx.get(f"{line.split()[-1]}/api/v1/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
        finally:
            status, _ = ended(process)
    assert status == 0


def test_who_was_started_to_ignore_hangups_goes_on(tmp_path: Path, database_url: str) -> None:
    environment = serving_environment(database_url, tmp_path)

    with subprocess.Popen(
        ["nohup", sys.executable, "-m", "aeon", "serve"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert (line := process.stdout.readline()).startswith("Aeon listens on "), line
            process.send_signal(signal.SIGHUP)
            assert httpx.get(f"{line.split()[-1]}/api/v1/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
        finally:
            status, told = ended(process)
    assert status == 0
    assert "SIGHUP" not in told


@pytest.fixture
def silent_database() -> Iterator[socket.socket]:
    """Listens as a database would, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(END_SECONDS)
        yield listening


def test_a_server_that_waits_for_its_database_ends_in_order(
    tmp_path: Path, silent_database: socket.socket
) -> None:
    url = f"postgresql://aeon@127.0.0.1:{silent_database.getsockname()[1]}/aeon"

    with subprocess.Popen(
        [sys.executable, "-m", "aeon", "serve"],
        env=serving_environment(url, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        waiting, _ = silent_database.accept()
        with waiting:
            process.send_signal(signal.SIGTERM)
            status, told = ended(process)
    assert status == 0, told


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Where the embedded server may live, also under root."""
    with throwaway_directory("aeon-early-") as directory:
        yield directory


@pytest.mark.parametrize("arguments", [(), ("--workers", "1")])
def test_ctrl_c_while_the_embedded_database_is_made(
    open_directory: Path, arguments: tuple[str, ...]
) -> None:
    directory = open_directory
    environment = serving_environment("", directory, SHUTDOWN_SECONDS="60")
    del environment["DATABASE_URL"]
    cluster = directory / "postgresql" / "cluster"
    with subprocess.Popen(
        [sys.executable, "-m", "aeon", "serve", *arguments],
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + END_SECONDS
        while not (cluster.with_name("cluster.new") / "PG_VERSION").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
        os.killpg(process.pid, signal.SIGINT)
        status, told = ended(process)
    assert status == 0, told
    assert Postmaster.find(cluster) is None
