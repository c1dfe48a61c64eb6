"""The processes of a benchmark beside its own: clients, and servers to compare with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE

import trio


@asynccontextmanager
async def child(command: Sequence[str]) -> AsyncIterator[trio.Process]:
    """Start a process with pipes to and from it; it is gone at the end of the block.

    Ctrl-C at the terminal is for the benchmark, which then ends its processes: a session of their
    own keeps the signal from them.
    """
    process = await trio.lowlevel.open_process(
        command, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdin.aclose()
            await process.stdout.aclose()


async def first_line(process: trio.Process) -> str:
    """Wait for the line with which it says that it is ready; empty if it ended instead."""
    assert process.stdout is not None
    received = bytearray()
    while not received.endswith(b"\n"):
        data = await process.stdout.receive_some()
        if not data:
            return ""
        received += data
    return received.decode().strip()
