"""Packets between nodes: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.bus_outgoing import Outgoing
from storage.bus_packet import (
    MAX_PACKET_BYTES,
    BadPacket,
    decode_packet,
    encode_packet,
    entry_bytes,
)

NODE = "0123456789abcdef"
topics = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32)
entries = st.lists(st.tuples(topics, st.binary(max_size=300)), max_size=20)


@given(entries)
def test_it_comes_out_as_it_went_in(sent: list[tuple[str, bytes]]) -> None:
    assert decode_packet(encode_packet(NODE, sent)) == (NODE, sent)


@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused_or_read_whole(packet: bytes) -> None:
    try:
        node, found = decode_packet(packet)
    except BadPacket:
        return
    assert encode_packet(node, found) == packet


@given(entries, st.data())
def test_a_cut_packet_never_shows_what_was_not_sent(
    sent: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    packet = encode_packet(NODE, sent)
    cut = packet[: data.draw(st.integers(0, len(packet)))]
    try:
        _, found = decode_packet(cut)
    except BadPacket:
        return
    assert found == sent[: len(found)]


def test_another_version_is_ignored() -> None:
    packet = encode_packet(NODE, [("t", b"x")])
    with pytest.raises(BadPacket, match="version"):
        decode_packet(b"\x02" + packet[1:])


@given(st.lists(st.integers(0, 200_000), max_size=40))
def test_packets_are_bounded_and_keep_the_order(sizes: list[int]) -> None:
    outgoing = Outgoing(max_entries=1000, max_bytes=10**9)
    payloads = [bytes(size) for size in sizes]
    assert all(outgoing.offer("t", payload) for payload in payloads)
    taken = []
    while packet := outgoing.take():
        assert len(packet) == 1 or sum(entry_bytes(*each) for each in packet) <= MAX_PACKET_BYTES
        taken += packet
    assert [payload for _, payload in taken] == payloads
    assert (len(outgoing), outgoing.waiting_bytes) == (0, 0)


def test_it_refuses_beyond_its_bounds() -> None:
    outgoing = Outgoing(max_entries=2, max_bytes=100)
    assert outgoing.offer("t", bytes(40))
    assert not outgoing.offer("t", bytes(60))
    assert outgoing.offer("t", b"")
    assert not outgoing.offer("t", b"")
    assert outgoing.clear() == 2
    assert outgoing.waiting_bytes == 0
