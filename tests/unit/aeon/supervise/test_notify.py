"""What systemd is told, and that it need not be there."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeon.supervise.notify import VARIABLE, Notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "notify"))
        yield sock


def test_each_state_is_told(manager: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready("2 workers")
    assert manager.recv(1000) == b"READY=1\nSTATUS=2 workers"
    notifier.reloading()
    assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.stopping()
    assert manager.recv(1000).startswith(b"STOPPING=1\n")


def test_workers_do_not_speak_for_the_service(manager: socket.socket) -> None:
    Notifier()
    assert VARIABLE not in os.environ


def test_nobody_to_tell_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    Notifier().ready("alone")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    Notifier().ready("manager gone")
