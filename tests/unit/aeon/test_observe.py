"""Lines of the log, as several workers write them to one place."""

import io
import logging
import socket
import sys
from collections.abc import Iterator

import pytest
import structlog

from aeon.config import Settings
from aeon.observe import OWN_PACKAGES, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(logging.NOTSET)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_is_one_write_also_to_an_unbuffered_stream(
    log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, written = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    raw = socket.SocketIO(written, "w")
    # As with PYTHONUNBUFFERED=1, which the image sets.
    stream = io.TextIOWrapper(raw, write_through=True)  # type: ignore[arg-type] # typed as buffered
    with read, written, raw, stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logging(Settings(_env_file=None, log_format=log_format), worker=1)
        structlog.get_logger().warning("own_event_happened")
        logging.getLogger("library").warning("library_event_happened")
        read.setblocking(False)
        for event in (b"own_event_happened", b"library_event_happened"):
            packet = read.recv(4096)
            assert event in packet
            assert packet.endswith(b"\n")
            assert packet.count(b"\n") == 1
