"""All sockets of a client process under one selector, read by one Trio task.

A task switch per received frame would cost the load generator several times what the frame
costs the server, and the figures would be the generator's. So one task waits for the selector
itself to become readable, and calls back for every socket that has something.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable

import trio

from aeon.load.endpoint import Channel


class Poller:
    """Calls ``on_ready(readable, writable)`` of each channel when it is."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, channel: Channel, on_ready: Callable[[bool, bool], None]) -> None:
        """Watch a channel for reading."""
        self._selector.register(channel.fileno(), selectors.EVENT_READ, on_ready)

    def want_write(self, channel: Channel, is_wanted: bool) -> None:
        """Watch for writing too, or no more."""
        key = self._selector.get_key(channel.fileno())
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_wanted else 0)
        self._selector.modify(channel.fileno(), events, key.data)

    def remove(self, channel: Channel) -> None:
        """Stop watching; call it before the channel is closed."""
        if channel.fileno() >= 0:
            self._selector.unregister(channel.fileno())

    async def run(self) -> None:
        """Watch until cancelled."""
        fileno = self._selector.fileno()
        try:
            while True:
                await trio.lowlevel.wait_readable(fileno)
                for key, events in self._selector.select(0):
                    if key.fd in self._selector.get_map():
                        key.data(
                            bool(events & selectors.EVENT_READ),
                            bool(events & selectors.EVENT_WRITE),
                        )
        finally:
            self._selector.close()
