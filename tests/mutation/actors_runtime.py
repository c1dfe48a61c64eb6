"""Seeds faults into a copy of the actor runtime, one at a time, and sees which tests notice.

    python -m tests.mutation.actors_runtime [WORD ...] [--examples N]

Words choose the faults whose names contain one of them. A fault that names a test has to be
caught by that very test: these are the faults of the invariants' docstrings. The others may be
caught by any test of the runtime. Exit status 1 if a fault survives that is not explained.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = (
    "actors/__init__.py",
    "actors/runtime",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/unit/__init__.py",
    "tests/unit/actors/__init__.py",
    "tests/unit/actors/runtime",
    "tests/properties/__init__.py",
    "tests/properties/actors/__init__.py",
    "tests/properties/actors/test_runtime_model.py",
    "tests/properties/actors/test_runtime_parts.py",
)
FAULTS = Path(__file__).with_suffix(".toml")
UNIT, PROPERTIES = "tests/unit/actors/runtime", "tests/properties/actors"
LEAST_PATIENCE_SECONDS = 15.0
PATIENCE = 4.0
"""How many times as long as a sound run takes is a run that hangs, in time and in CPU time."""
NO_TESTS = 5
"""Pytest's exit status."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One change of one place that breaks a promise."""

    name: str
    file: str
    old: str
    new: str
    test: str | None = None
    """The test that has to notice (a pytest -k expression); None: any."""
    survives: str | None = None
    """Why nobody can notice."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a run: most that hang turn in circles, the others wait."""

    seconds: float
    cpu_seconds: int

    def limit_child(self) -> None:
        """Runs in the child, before the tests."""
        resource.setrlimit(resource.RLIMIT_CPU, (self.cpu_seconds, self.cpu_seconds))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a fault."""

    fault: Fault
    killer: str | None
    seconds: float


def copy_project(to: Path) -> None:
    """The runtime and its tests, apart from the rest and from other runs."""
    for name in COPIED:
        source, target = ROOT / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def first_failure(
    project: Path, arguments: list[str], examples: int, patience: Patience
) -> str | None:
    """Run tests until one fails; its name, or None."""
    environment = os.environ | {"AEON_RUNTIME_EXAMPLES": str(examples), "PYTHONPATH": str(project)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=patience.seconds,
            preexec_fn=patience.limit_child,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "(hangs)"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"(hangs, {signal.Signals(-done.returncode).name})"
    assert done.returncode != NO_TESTS, f"no test is called {arguments}"
    summary = ("FAILED tests", "ERROR tests")
    failed = [line for line in done.stdout.splitlines() if line.startswith(summary)]
    return failed[0].rpartition("::")[2].split(" ")[0] if failed else f"exit {done.returncode}"


def seed(project: Path, fault: Fault) -> None:
    """Write the fault into the copy."""
    path = project / "actors/runtime" / fault.file
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.name}: the text to change occurs not once"
    path.write_text(text.replace(fault.old, fault.new))


def patience_with(examples: int, jobs: int) -> Patience:
    """What follows from a run of all tests where no fault is; they have to pass there."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        copy_project(Path(directory))
        arguments = [UNIT, PROPERTIES]
        failed = first_failure(Path(directory), arguments, examples, Patience(600.0, 600))
    assert failed is None, f"{failed} fails without any fault"
    took, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    seconds = max(LEAST_PATIENCE_SECONDS, PATIENCE * jobs * took)
    return Patience(seconds, ceil(max(LEAST_PATIENCE_SECONDS, PATIENCE * cpu)))


def judge(fault: Fault, examples: int, patience: Patience) -> Verdict:
    """See who notices the fault; tests that take longer than the patience do, too."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        project = Path(directory)
        copy_project(project)
        seed(project, fault)
        killer = None
        if fault.test is not None:
            arguments = [UNIT, "-k", fault.test]
            killer = first_failure(project, arguments, examples, patience)
        else:
            for folder in (UNIT, PROPERTIES):
                killer = killer or first_failure(project, [folder], examples, patience)
    return Verdict(fault, killer, time.monotonic() - began)


def main() -> int:
    """Run all, or the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    entries = tomllib.loads(FAULTS.read_text())["fault"]
    chosen = [
        fault
        for fault in (Fault(**entry) for entry in entries)
        if not options.words or any(word in fault.name for word in options.words)
    ]
    patience = patience_with(options.examples, options.jobs)
    sys.stdout.write(f"hangs: after {patience.seconds:.0f} s, {patience.cpu_seconds} s of CPU\n")
    survivors = unexplained = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for verdict in pool.map(lambda it: judge(it, options.examples, patience), chosen):
            fault = verdict.fault
            outcome = f"killed by {verdict.killer}" if verdict.killer else "SURVIVED"
            if verdict.killer is None:
                survivors += 1
                unexplained += fault.survives is None
                outcome += f": {fault.survives}" if fault.survives else ", unexplained"
            sys.stdout.write(f"{fault.name:50} {verdict.seconds:5.1f} s  {outcome}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} faults, {len(chosen) - survivors} killed, {survivors} left\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
