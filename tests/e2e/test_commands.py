"""The commands a newcomer types, as processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from aeon.version import VERSION
from storage.migrate import head_revision


def aeon(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aeon", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_demo_succeeds(tmp_path: Path) -> None:
    result = aeon("demo", "--messages", "3", cwd=tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "All 6 messages reached both, once and in order." in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_command(tmp_path: Path) -> None:
    result = aeon("--help", cwd=tmp_path)

    assert result.returncode == 0
    named = ("serve", "health", "top", "demo", "db", "secret-key", "seed", "bench", "load")
    for command in named:
        assert command in result.stdout


def test_version(tmp_path: Path) -> None:
    assert aeon("--version", cwd=tmp_path).stdout == f"aeon {VERSION}\n"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TELEGRAM_BOT_TOKEN": "your_telegram_bot_token"}, "TELEGRAM_BOT_TOKEN"),
        ({"SECRET_KEY": "your-super-secret-key-change-in-production"}, "SECRET_KEY"),
        ({"PORT": "many"}, "PORT"),
        ({"DATABASE_URL": "postgresql:///x", "TELEGRAM_BOT_TOKEN": ""}, "TELEGRAM_BOT_TOKEN"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
    ],
)
def test_wrong_settings_are_named_and_their_values_are_not_shown(
    tmp_path: Path, environment: dict[str, str], named: str
) -> None:
    result = aeon("serve", cwd=tmp_path, **environment)

    assert result.returncode == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert environment[named] == "" or environment[named] not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "aeon", "load", "chat", "--self-serve"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Starting PostgreSQL and the server\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=240)

    assert process.returncode == 130
    assert told == "aeon load: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_schema_is_refused_with_the_command_to_run(
    tmp_path: Path, empty_database_url: str
) -> None:
    settings = {
        "DATABASE_URL": empty_database_url,
        "TELEGRAM_BOT_TOKEN": "4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake",
        "SECRET_KEY": "s" * 48,
    }

    refused = aeon("serve", "--port", "0", cwd=tmp_path, **settings)
    upgraded = aeon("db", "upgrade", cwd=tmp_path, **settings)
    current = aeon("db", "current", cwd=tmp_path, **settings)
    downgraded = aeon("db", "downgrade", "base", "--yes", cwd=tmp_path, **settings)

    assert refused.returncode == 2
    assert "aeon db upgrade" in refused.stderr
    assert upgraded.returncode == 0, upgraded.stderr
    assert "empty" not in current.stdout
    assert downgraded.returncode == 0, downgraded.stderr


def test_a_newer_schema_is_refused_with_the_command_to_run(
    tmp_path: Path, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    settings = {
        "DATABASE_URL": database_url,
        "TELEGRAM_BOT_TOKEN": "4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake",
        "SECRET_KEY": "s" * 48,
    }

    for command in (["serve", "--port", "0"], ["db", "upgrade"]):
        refused = aeon(*command, cwd=tmp_path, **settings)

        assert refused.returncode == 2
        assert f"aeon db downgrade {head_revision()}" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_an_address_in_use_is_said_so(tmp_path: Path, database_url: str) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = aeon(
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(taken.getsockname()[1]),
            cwd=tmp_path,
            DATABASE_URL=database_url,
            TELEGRAM_BOT_TOKEN="4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake",
            SECRET_KEY="s" * 48,
        )

    assert result.returncode == 2
    assert "in use" in result.stderr
    assert "Traceback" not in result.stderr
