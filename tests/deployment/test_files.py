"""The files Aeon is deployed with, as far as they can be judged without what runs them."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.main import get_command

from aeon.cli import app as cli
from aeon.config import Settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

APP_JSON_SCHEMA = {
    "type": "object",
    "required": ["name", "env", "addons", "formation", "stack"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 3, "maxLength": 30, "pattern": "^[a-z0-9-]+$"},
        "description": {"type": "string", "maxLength": 140},
        "keywords": {"type": "array", "items": {"type": "string"}},
        "stack": {"enum": ["heroku-22", "heroku-24", "heroku-26"]},
        "buildpacks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["url"],
                "additionalProperties": False,
                "properties": {"url": {"type": "string"}},
            },
        },
        "formation": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "quantity": {"type": "integer", "minimum": 0},
                    "size": {"type": "string"},
                },
            },
        },
        "addons": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z-]+(:[a-z0-9-]+)?$"},
        },
        "env": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "description": {"type": "string"},
                    "value": {"type": "string"},
                    "required": {"type": "boolean"},
                    "generator": {"enum": ["secret"]},
                },
            },
        },
    },
}
"""What Heroku documents of app.json, as far as ours uses it."""


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def compose() -> Any:
    return YAML(typ="safe").load(ROOT / "compose.yaml")


def dockerfile_lines() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_dockerfile_is_clean() -> None:
    done = run(BIN / "hadolint", "--failure-threshold", "info", "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /x && sudo pip install y\n")
    assert run(BIN / "hadolint", bad).returncode == 1


def test_image_runs_as_nobody_and_checks_its_health() -> None:
    lines = dockerfile_lines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    last = lines[stages[-1] :]
    assert len(stages) == 2
    assert "USER 10001" in last
    assert "STOPSIGNAL SIGTERM" in last
    health = next(line for line in last if line.startswith("HEALTHCHECK"))
    assert json.loads(health.partition("CMD ")[2]) == ["aeon", "health"]
    assert not [line for line in lines if re.search(r"(TOKEN|SECRET|PASSWORD)", line)]


def test_image_gets_what_the_package_is_made_of() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = " ".join(line for line in dockerfile_lines() if line.startswith("COPY"))
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[ignored.index("*") :][0] == "*"
    for name in [*wanted, "pyproject.toml", "README.md", "LICENSE", "hypercorn.toml"]:
        assert name in copied, name
        assert f"!{name}" in ignored, name


def test_settings_of_deployments_exist() -> None:
    known = {name.upper() for name in Settings.model_fields}
    # Set by Python's own conventions, not ours.
    foreign = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH"}
    foreign |= {"PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"}
    image = {
        name
        for line in dockerfile_lines()
        if line.startswith("ENV ")
        for name in re.findall(r"([A-Z_]+)=", line)
    }
    services = compose()["services"]
    unit = (ROOT / "deploy/systemd/aeon.service").read_text()
    of_unit = re.findall(r"([A-Z_]+)=\S+", re.findall(r"^Environment=(.*)$", unit, re.M)[0])
    of_heroku = json.loads((ROOT / "app.json").read_text())["env"]
    named = image - foreign | set(services["aeon"]["environment"]) | set(of_unit) | set(of_heroku)
    assert named - known == set()


def test_compose_file_follows_the_specification() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = run(*command, ROOT / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_starts_in_order_and_stops_in_time() -> None:
    services = compose()["services"]
    waits = services["aeon"]["depends_on"]
    assert waits["release"]["condition"] == "service_completed_successfully"
    assert waits["postgres"]["condition"] == waits["valkey"]["condition"] == "service_healthy"
    assert "aeon db upgrade" in services["release"]["command"][0]
    for name in ("postgres", "valkey"):
        assert services[name]["healthcheck"]["test"]
        assert "ports" not in services[name]
    # On its Unix socket PostgreSQL answers while it is still being set up, and then stops again.
    assert "127.0.0.1" in services["postgres"]["healthcheck"]["test"]
    budget = Settings.model_fields["shutdown_seconds"].default
    assert int(services["aeon"]["stop_grace_period"].removesuffix("s")) >= budget + 5


def test_app_json_is_what_heroku_documents() -> None:
    given = json.loads((ROOT / "app.json").read_text())
    Draft202012Validator(APP_JSON_SCHEMA).validate(given)


def test_procfile_runs_commands_that_exist() -> None:
    known = set(get_command(cli).commands)  # type: ignore[attr-defined] # a group
    processes = dict(
        re.findall(r"^(\w+): .*\baeon (\w+)", (ROOT / "Procfile").read_text(), flags=re.MULTILINE)
    )
    assert processes == {"web": "serve", "release": "db"}
    assert set(processes.values()) <= known
    assert (ROOT / "requirements.txt").read_text().strip() == ".[s3]"


def test_unit_of_systemd_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "deploy/systemd/aeon.service").read_text()
    unit = tmp_path / "aeon.service"
    unit.write_text(text.replace("/opt/aeon/bin/aeon", str(BIN / "aeon")))
    done = run("systemd-analyze", "verify", unit, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    budget = Settings.model_fields["shutdown_seconds"].default
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, flags=re.MULTILINE)
    assert int(stop) >= budget + 10


def test_unit_of_systemd_is_locked_down(tmp_path: Path) -> None:
    unit = ROOT / "deploy/systemd/aeon.service"
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout[-500:]
