"""Tell systemd (or whoever set NOTIFY_SOCKET) how the service is: sd_notify's protocol."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


class Notifier:
    """Sends states to the service manager; does nothing without one."""

    def __init__(self) -> None:
        # Taken out of the environment: workers are not the service.
        address = os.environ.pop(VARIABLE, "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Workers are being replaced."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=Replacing the workers")

    def stopping(self) -> None:
        """Draining."""
        self._send("STOPPING=1\nSTATUS=Draining")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # Whether anybody listens is none of the service's business.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), self._address)
