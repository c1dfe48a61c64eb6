"""The clients of the workers' benchmark count every event once, wherever the bytes are cut."""

import socket
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aeon.bench.crowd import EVENT, Listener

FRAMES = b"\x81\x7e\x00\x40" + b'{"type":"new_message","seq":1}' + b"\x81\x05hello"


@given(st.integers(1, 5), st.lists(st.integers(0, 300), max_size=6))
def test_every_event_counts_once(copies: int, cuts: list[int]) -> None:
    data = FRAMES * copies
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        listener = Listener(ours)
        for start, end in pairwise(places):
            theirs.sendall(data[start:end])
            listener.listen()
    assert listener.events == copies == data.count(EVENT)
