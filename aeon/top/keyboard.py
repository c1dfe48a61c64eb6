"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio


@contextmanager
def single_keys(descriptor: int) -> Iterator[None]:
    """Let a terminal give each key at once and echo none; put it back afterwards.

    Ctrl-C still interrupts.
    """
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def keys(descriptor: int) -> AsyncIterator[str]:
    """Yield what is typed; ends when the terminal goes away."""
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        typed = os.read(descriptor, 64)
        if not typed:
            return
        for one in typed.decode(errors="replace"):
            yield one
