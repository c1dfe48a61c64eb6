"""Small disks that really fill up: file systems of their own, in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.postmaster import Account

INSIDE = "AEON_TEST_MOUNTS"
"""Set in a process that runs where it may mount."""
_NAMESPACE = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")
"""How somebody who is not root gets such a place, where the system lets them."""


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount one that an embedded server can write to.

    Raises:
        PermissionError: it may not be mounted here.
    """
    account = Account.choose()
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    with tempfile.TemporaryDirectory(prefix="aeon-disk-") as name:
        Path(name).chmod(0o711)
        point = Path(name) / "disk"
        point.mkdir()
        options = f"size={megabytes}m,mode=0700,uid={uid},gid={gid}"
        _run("mount", "-t", "tmpfs", "-o", options, "aeon-test", str(point))
        try:
            yield point
        finally:
            _run("umount", "--lazy", str(point))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PermissionError(f"{command[0]} is missing") from error
    if done.returncode:
        raise PermissionError(done.stderr.strip())


def run_where_mounting_works(test: str) -> subprocess.CompletedProcess[str] | None:
    """Run a test in a mount namespace of its own; None where that is not allowed either."""
    try:
        _run(*_NAMESPACE, "true")
    except PermissionError:
        return None
    return subprocess.run(
        [*_NAMESPACE, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, INSIDE: "1"},
    )


def fill(disk: Path, *, but_bytes: int) -> Path:
    """Occupy a disk with one file, except for this much; gives the file."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - but_bytes)
    return ballast
