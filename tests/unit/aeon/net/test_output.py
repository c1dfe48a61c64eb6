from __future__ import annotations

import re

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from aeon.net.output import MAX_JOINED_BYTES, Chunk, Output


class Wire:
    """A socket and a sink in one: takes what it has room for, keeps what it took."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.taken = b""
        self.writes = 0
        self.widened = trio.Event()
        self.broken = 0
        self.fails = False

    def send(self, data: bytes) -> int:
        if self.fails:
            raise ConnectionResetError
        size = min(self.room, len(data))
        if not size:
            raise BlockingIOError
        self.room -= size
        self.taken += data[:size]
        self.writes += 1
        return size

    async def sink(self, chunks: list[Chunk]) -> int:
        while not self.room:
            self.widened = trio.Event()
            await self.widened.wait()
        await trio.lowlevel.checkpoint()
        return self.send(b"".join(chunks))

    def widen(self, room: int) -> None:
        self.room += room
        self.widened.set()

    def on_broken(self) -> None:
        self.broken += 1


def make(wire: Wire, nursery: trio.Nursery, *, direct: bool = True, stall: float = 10) -> Output:
    return Output(
        wire.sink,
        spawn=nursery.start_soon,
        on_broken=wire.on_broken,
        stall_seconds=stall,
        send_now=wire.send if direct else None,
    )


async def test_written_at_once_when_nothing_waits(nursery: trio.Nursery) -> None:
    wire = Wire(room=100)
    output = make(wire, nursery)

    output.write(b"abc", 1)
    output.write(b"def", 1)

    assert wire.taken == b"abcdef"
    assert output.statistics().direct_writes == 2
    assert not nursery.child_tasks


async def test_what_waits_leaves_in_one_joined_write(nursery: trio.Nursery) -> None:
    wire = Wire(room=2)
    output = make(wire, nursery)
    for number in range(10):
        output.write(b"%d%d" % (number, number), 1)
    assert (output.pending_bytes, output.pending_frames) == (18, 9)

    wire.widen(100)
    await trio.testing.wait_all_tasks_blocked()

    assert wire.taken == b"".join(b"%d%d" % (n, n) for n in range(10))
    assert wire.writes == 2
    assert (output.pending_bytes, output.pending_frames) == (0, 0)
    assert not nursery.child_tasks, "the flushing task lives only while something waits"


async def test_without_a_direct_way_everything_is_flushed(nursery: trio.Nursery) -> None:
    wire = Wire(room=100)
    output = make(wire, nursery, direct=False)
    output.write(b"a", 1)
    output.write(b"b", 1)
    assert wire.taken == b""
    await output.wait_below(0)
    assert (wire.taken, wire.writes) == (b"ab", 1)


async def test_large_write_goes_out_in_pieces(nursery: trio.Nursery) -> None:
    wire = Wire(room=MAX_JOINED_BYTES * 10)
    output = make(wire, nursery, direct=False)
    data = bytes(range(256)) * (MAX_JOINED_BYTES * 3 // 256) + b"rest"
    output.write(b"before", 1)
    output.write(data, 1)
    output.write(b"after", 1)
    await output.wait_below(0)
    assert wire.taken == b"before" + data + b"after"
    assert wire.writes >= 4
    assert output.pending_frames == 0


async def test_cancelled_waiter_loses_nothing(nursery: trio.Nursery) -> None:
    wire = Wire()
    output = make(wire, nursery)
    output.write(b"kept", 1)
    with trio.move_on_after(0):
        await output.wait_below(0)
    wire.widen(10)
    await output.wait_below(0)
    assert wire.taken == b"kept"


async def test_peer_that_takes_nothing_breaks_the_output(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    wire = Wire(room=1)
    output = make(wire, nursery, stall=5)
    output.write(b"ab", 1)
    started = trio.current_time()
    await output.wait_below(0)
    assert trio.current_time() - started == pytest.approx(5)
    assert (wire.broken, output.pending_bytes) == (1, 0)


async def test_peer_that_takes_little_by_little_does_not(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    wire = Wire()
    output = make(wire, nursery, stall=5)
    output.write(b"x" * MAX_JOINED_BYTES, 1)
    output.write(b"rest", 1)
    for _ in range(15):
        before = output.bytes_written
        await trio.sleep(4)
        wire.widen(MAX_JOINED_BYTES // 16)
        await trio.testing.wait_all_tasks_blocked()
        assert output.bytes_written > before
    assert (output.pending_bytes, output.pending_frames) == (MAX_JOINED_BYTES // 16 + 4, 2)
    wire.widen(MAX_JOINED_BYTES)
    await output.wait_below(0)
    assert not wire.broken
    assert wire.taken == b"x" * MAX_JOINED_BYTES + b"rest"


async def test_reset_breaks_the_output_once(nursery: trio.Nursery) -> None:
    wire = Wire(room=10)
    output = make(wire, nursery)
    wire.fails = True
    output.write(b"a", 1)
    output.write(b"b", 1)
    output.break_off()
    assert wire.broken == 1
    assert output.pending_bytes == 0
    await output.wait_below(0)


async def test_cancelled_flusher_breaks_the_output() -> None:
    wire = Wire(room=1)
    async with trio.open_nursery() as nursery:
        output = make(wire, nursery)
        output.write(b"ab", 1)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert wire.broken == 1
    output.write(b"nothing happens")


async def test_write_after_the_nursery_closed_breaks_the_output() -> None:
    wire = Wire()
    async with trio.open_nursery() as nursery:
        output = make(wire, nursery)
    output.write(b"ab", 1)
    assert wire.broken == 1


@pytest.mark.parametrize("is_flushing", [False, True])
async def test_what_waits_can_be_taken_back_but_not_what_has_begun(
    nursery: trio.Nursery, is_flushing: bool
) -> None:
    wire = Wire(room=2)
    output = make(wire, nursery)
    output.write(b"abc", 1)
    if is_flushing:
        await trio.testing.wait_all_tasks_blocked()
    output.write(b"def", 1)
    output.write(b"ghi", 1)

    output.drop_waiting()
    assert (output.pending_bytes, output.pending_frames) == (1, 1)
    output.write(b"end", 1)
    wire.widen(100)
    await output.wait_below(0)

    assert wire.taken == b"abcend"
    assert (output.pending_bytes, output.pending_frames) == (0, 0)


async def test_the_rest_of_a_large_write_is_not_taken_back(nursery: trio.Nursery) -> None:
    wire = Wire(room=1)
    output = make(wire, nursery, direct=False)
    large = b"x" * (MAX_JOINED_BYTES * 3)
    output.write(large, 1)
    await trio.testing.wait_all_tasks_blocked()
    output.write(b"dropped", 1)

    output.drop_waiting()
    wire.widen(len(large))
    await output.wait_below(0)

    assert wire.taken == large


STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=30).map(lambda data: ("write", data)),
        st.integers(1, 40).map(lambda room: ("widen", room)),
        st.just(("turn", None)),
    )
)
STEPS_AND_DROPS = st.lists(st.one_of(STEPS, st.just([("drop", None)]))).map(
    lambda parts: [step for part in parts for step in part]
)


@given(steps=STEPS_AND_DROPS, direct=st.booleans())
def test_whole_writes_leave_in_order_whatever_is_taken_back(
    steps: list[tuple[str, object]], direct: bool
) -> None:
    async def run() -> None:
        wire = Wire()
        writes = 0
        async with trio.open_nursery() as nursery:
            output = make(wire, nursery, direct=direct)
            for kind, value in steps:
                if isinstance(value, bytes):
                    writes += 1
                    padding = MAX_JOINED_BYTES if len(value) > 20 else len(value)
                    output.write(b"<%d%s>" % (writes, b"." * padding), 1)
                elif isinstance(value, int):
                    wire.widen(value * (MAX_JOINED_BYTES // 20 if value > 20 else 1))
                elif kind == "drop":
                    output.drop_waiting()
                else:
                    await trio.testing.wait_all_tasks_blocked()
            output.write(b"<%d>" % (writes + 1), 1)
            wire.widen(10**7)
            await output.wait_below(0)
        assert re.fullmatch(rb"(<\d+\.*>)+", wire.taken)
        numbers = [int(number) for number in re.findall(rb"<(\d+)", wire.taken)]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == writes + 1
        assert (output.pending_bytes, output.pending_frames) == (0, 0)

    trio.run(run)


@given(steps=STEPS, direct=st.booleans())
def test_bytes_leave_in_order_however_the_peer_reads(
    steps: list[tuple[str, object]], direct: bool
) -> None:
    async def run() -> None:
        wire = Wire()
        sent = b""
        async with trio.open_nursery() as nursery:
            output = make(wire, nursery, direct=direct)
            for kind, value in steps:
                if isinstance(value, bytes):
                    sent += value
                    output.write(value, 1)
                elif isinstance(value, int):
                    wire.widen(value)
                else:
                    await trio.testing.wait_all_tasks_blocked()
                assert kind
                assert len(wire.taken) <= len(sent)
                assert sent.startswith(wire.taken)
            wire.widen(len(sent) + 1)
            await output.wait_below(0)
        assert wire.taken == sent
        assert output.pending_frames == 0

    trio.run(run)
