from __future__ import annotations

import pytest
import trio
import trio.testing

from aeon.net.frames import text_frames
from aeon.net.transport import WireTransport, current_transport, handling
from tests.unit.aeon.net.test_output import Wire, make


def make_transport(
    wire: Wire, nursery: trio.Nursery, *, frames: int = 10, size: int = 1000
) -> WireTransport:
    closes: list[tuple[int, str]] = []
    transport = WireTransport(
        make(wire, nursery),
        begin_close=lambda code, reason: closes.append((code, reason)),
        kind="direct",
        max_pending_frames=frames,
        max_pending_bytes=size,
    )
    return transport


async def test_batch_is_one_write_of_ready_frames(nursery: trio.Nursery) -> None:
    wire = Wire(room=1000)
    transport = make_transport(wire, nursery)
    assert transport.send_nowait((b"one", b"two", b"x" * 200))
    assert wire.taken == text_frames((b"one", b"two", b"x" * 200))
    assert wire.writes == 1


async def test_same_batch_in_another_list_is_the_same_frames(nursery: trio.Nursery) -> None:
    first, second = Wire(room=100), Wire(room=100)
    for wire, batch in ((first, [b"a", b"b"]), (second, (b"a", b"b"))):
        assert make_transport(wire, nursery).send_nowait(batch)
    assert first.taken == second.taken == b"\x81\x01a\x81\x01b"


async def test_list_that_changes_between_sends_is_sent_as_it_is_then(
    nursery: trio.Nursery,
) -> None:
    wire = Wire(room=100)
    transport = make_transport(wire, nursery)
    batch = [b"a"]
    transport.send_nowait(batch)
    batch[0] = b"b"
    transport.send_nowait(batch)
    assert wire.taken == b"\x81\x01a\x81\x01b"


@pytest.mark.parametrize(("count", "fits"), [(8, True), (9, False)])
async def test_bound_in_messages(nursery: trio.Nursery, count: int, fits: bool) -> None:
    transport = make_transport(Wire(), nursery)
    assert transport.send_nowait((b"1", b"2"))
    assert transport.send_nowait((b"x",) * count) is fits
    assert transport.pending_frames == (2 + count if fits else 2)


@pytest.mark.parametrize(("size", "fits"), [(488, True), (489, False)])
async def test_bound_in_bytes(nursery: trio.Nursery, size: int, fits: bool) -> None:
    transport = make_transport(Wire(), nursery)
    assert transport.send_nowait((b"x" * 508,))
    assert transport.pending_bytes == 512
    assert transport.send_nowait((b"y" * size,)) is fits


async def test_whatever_finds_nothing_pending_is_taken(nursery: trio.Nursery) -> None:
    """A commit larger than the bounds must not cut off a reader that keeps up."""
    wire = Wire()
    transport = make_transport(wire, nursery)
    assert transport.send_nowait([b"x" * 100] * 50)
    assert not transport.send_nowait((b"y",))


async def test_transient_is_refused_above_half_of_the_bounds(nursery: trio.Nursery) -> None:
    transport = make_transport(Wire(), nursery)
    assert transport.send_nowait((b"1", b"2", b"3", b"4"))
    assert transport.send_nowait((b"5",), transient=True)
    assert not transport.send_nowait((b"6",), transient=True)
    assert transport.send_nowait((b"6",))


async def test_after_abort_everything_is_taken_and_nothing_sent(nursery: trio.Nursery) -> None:
    wire = Wire()
    transport = make_transport(wire, nursery)
    transport.send_nowait((b"1",))
    transport.abort()
    assert transport.send_nowait((b"2",) * 100)
    assert (wire.taken, transport.pending_bytes, wire.broken) == (b"", 0, 1)


def test_no_transport_outside_of_a_websocket() -> None:
    with pytest.raises(RuntimeError):
        current_transport()


async def test_tasks_started_within_know_the_transport(nursery: trio.Nursery) -> None:
    transport = make_transport(Wire(), nursery)
    found: list[object] = []

    async def look() -> None:
        found.append(current_transport())

    with handling(transport):
        nursery.start_soon(look)
    await trio.testing.wait_all_tasks_blocked()
    assert found == [transport]
    with pytest.raises(RuntimeError):
        current_transport()
