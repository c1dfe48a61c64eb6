"""Waiting for sockets as psycopg's generators ask for it."""

from __future__ import annotations

import select
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from psycopg.abc import PQGenConn
from psycopg.waiting import Ready, Wait

T = TypeVar("T")


async def wait_for_either(socket: int, wanted: Wait) -> Ready:
    """Ready to write, or to read and write: the buffer is full, so this is rare."""
    if (ready := ready_now(socket, wanted)) != Ready.NONE:
        await trio.lowlevel.checkpoint()
        return ready
    if wanted == Wait.W:
        await trio.lowlevel.wait_writable(socket)
        return Ready.W

    was_closed = False

    async def wait(until_ready: Callable[[int], Awaitable[None]]) -> None:
        await until_ready(socket)
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, trio.lowlevel.wait_readable)
            nursery.start_soon(wait, trio.lowlevel.wait_writable)
    except* trio.ClosedResourceError:
        was_closed = True
    except* trio.Cancelled:
        # A nursery wraps it in a group; the callers expect the bare exception, so ask again.
        await trio.lowlevel.checkpoint_if_cancelled()
    if was_closed:
        # The same goes for this one.
        raise trio.ClosedResourceError("the connection was given up")
    return ready_now(socket, wanted)


def ready_now(socket: int, wanted: Wait) -> Ready:
    """What the socket is ready for, without waiting."""
    poll = select.poll()
    reads, writes = bool(wanted & Wait.R), bool(wanted & Wait.W)
    poll.register(socket, (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0))
    ready = 0
    for _, events in poll.poll(0):
        # Errors and hang-ups count as readable: reading is what tells them.
        if reads and events & ~select.POLLOUT:
            ready |= Ready.R
        if writes and events & ~select.POLLIN:
            ready |= Ready.W
    return Ready(ready)


async def drive_changing_socket(steps: PQGenConn[T]) -> T:
    """Run a generator that connects (or sends a cancel): its socket changes on the way."""
    try:
        socket, wanted = next(steps)
        while True:
            if wanted == Wait.R:
                await trio.lowlevel.wait_readable(socket)
                ready = Ready.R
            else:
                await trio.lowlevel.wait_writable(socket)
                ready = Ready.W
            socket, wanted = steps.send(ready)
    except StopIteration as done:
        value: T = done.value
        return value
