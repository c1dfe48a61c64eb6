"""Packets: what one PUBLISH carries.

::

    packet  = version (1 byte) | node id (8 bytes) | entry*
    entry   = topic length (1 byte) | payload length (4 bytes, big-endian) | topic | payload

The payload is the sender's bytes as they are: nothing is encoded twice. A receiver that does not
know the version ignores the whole packet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

VERSION: Final = 1
NODE_ID_BYTES: Final = 8
MAX_TOPIC_BYTES: Final = 32
MAX_PAYLOAD_BYTES: Final = 256 * 1024
MAX_PACKET_BYTES: Final = 1024 * 1024
"""A packet is closed before it grows beyond this; one entry always fits."""

_HEAD: Final = struct.Struct(f">B{NODE_ID_BYTES}s")
_ENTRY: Final = struct.Struct(">BI")

Entry = tuple[str, bytes]
"""Topic and payload."""


class BadPacket(Exception):
    """These bytes are no packet of this version."""


def entry_bytes(topic: str, payload: bytes) -> int:
    """Give the room an entry takes in a packet."""
    return _ENTRY.size + len(topic) + len(payload)


def encode_packet(node_id: str, entries: Iterable[Entry]) -> bytes:
    """Join entries; topics are ASCII of up to ``MAX_TOPIC_BYTES``."""
    parts = [_HEAD.pack(VERSION, bytes.fromhex(node_id))]
    for topic, payload in entries:
        name = topic.encode("ascii")
        parts += (_ENTRY.pack(len(name), len(payload)), name, payload)
    return b"".join(parts)


def decode_packet(packet: bytes) -> tuple[str, list[Entry]]:
    """Take a packet apart: the sender's node id, and the entries in order.

    Raises:
        BadPacket: damaged, too large, or of another version; nothing of it is to be believed.
    """
    if len(packet) < _HEAD.size or len(packet) > 2 * MAX_PACKET_BYTES:
        raise BadPacket("wrong size")
    version, node_id = _HEAD.unpack_from(packet)
    if version != VERSION:
        raise BadPacket("unknown version")
    entries: list[Entry] = []
    at = _HEAD.size
    while at < len(packet):
        if at + _ENTRY.size > len(packet):
            raise BadPacket("cut short")
        topic_bytes, payload_bytes = _ENTRY.unpack_from(packet, at)
        at += _ENTRY.size
        end = at + topic_bytes + payload_bytes
        if not topic_bytes or topic_bytes > MAX_TOPIC_BYTES or end > len(packet):
            raise BadPacket("cut short")
        try:
            topic = packet[at : at + topic_bytes].decode("ascii")
        except UnicodeDecodeError:
            raise BadPacket("no topic") from None
        entries.append((topic, packet[at + topic_bytes : end]))
        at = end
    return node_id.hex(), entries
