from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

from aeon.net.heartbeat import Heartbeat
from aeon.net.limits import NetLimits


@dataclass
class Out:
    pending_bytes: int = 0
    bytes_written: int = 0


@dataclass(eq=False)
class Socket:
    """As much of a WebSocket as the heartbeat sees; it answers if told to."""

    answers: bool = True
    is_reading: bool = True
    awaited_pong: bytes | None = None
    output: Out = field(default_factory=Out)
    pinged_at: list[float] = field(default_factory=list)
    aborted_at: float | None = None

    @property
    def transport(self) -> Socket:
        return self

    def ping(self, payload: bytes) -> None:
        self.pinged_at.append(trio.current_time() - START[0])
        self.awaited_pong = None if self.answers else payload

    def abort(self) -> None:
        self.aborted_at = trio.current_time() - START[0]


START = [0.0]


def start(nursery: trio.Nursery) -> Any:
    START[0] = trio.current_time()
    heartbeat = Heartbeat(NetLimits(heartbeat_seconds=25, heartbeat_timeout_seconds=10))
    nursery.start_soon(heartbeat.run)
    return heartbeat


async def test_pings_every_interval_for_ever(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    heartbeat = start(nursery)
    socket = Socket()
    heartbeat.add(socket)
    await trio.sleep(101)
    assert socket.pinged_at == pytest.approx([25, 50, 75, 100], abs=0.01)
    assert socket.aborted_at is None


async def test_drops_whoever_does_not_answer_in_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    heartbeat = start(nursery)
    silent, other = Socket(answers=False), Socket()
    heartbeat.add(silent)
    await trio.sleep(3)
    heartbeat.add(other)
    await trio.sleep(60)
    assert silent.pinged_at == pytest.approx([25], abs=0.01)
    assert silent.aborted_at == pytest.approx(35, abs=0.01)
    assert other.aborted_at is None
    assert heartbeat.dropped == 1


async def test_forgets_who_has_left(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    heartbeat = start(nursery)
    gone, leaving = Socket(), Socket(answers=False)
    heartbeat.add(gone)
    heartbeat.add(leaving)
    heartbeat.remove(gone)
    await trio.sleep(30)
    heartbeat.remove(leaving)
    heartbeat.remove(leaving)
    await trio.sleep(100)
    assert gone.pinged_at == []
    assert leaving.aborted_at is None


async def test_waits_for_a_peer_that_we_do_not_read(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    heartbeat = start(nursery)
    socket = Socket(answers=False, is_reading=False)
    heartbeat.add(socket)
    await trio.sleep(60)
    assert socket.aborted_at is None
    socket.is_reading = True
    await trio.sleep(10)
    assert socket.aborted_at is not None


async def test_waits_for_a_peer_that_still_reads_what_came_before_the_ping(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    heartbeat = start(nursery)
    socket = Socket(answers=False)
    socket.output.pending_bytes = 500_000
    heartbeat.add(socket)
    for _ in range(10):
        await trio.sleep(7)
        socket.output.bytes_written += 50_000
    assert socket.aborted_at is None
    await trio.sleep(21)
    assert socket.aborted_at is not None


async def test_a_process_that_was_stopped_reads_before_it_judges(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Suspended between ping and pong: the pong is there, only not read yet."""
    heartbeat = start(nursery)
    answered, silent = Socket(answers=False), Socket(answers=False)
    for socket in (answered, silent):
        heartbeat.add(socket)
    await trio.sleep(26)
    autojump_clock.jump(60)
    await trio.testing.wait_all_tasks_blocked()
    answered.awaited_pong = None
    await trio.sleep(11)
    assert answered.aborted_at is None
    assert silent.aborted_at == pytest.approx(96, abs=0.01)
