import pytest
import wsproto.frame_protocol as fp
from hypothesis import given
from hypothesis import strategies as st

from aeon.load import frames


def from_server(opcode: fp.Opcode, payload: bytes, fin: bool = True) -> bytes:
    protocol = fp.FrameProtocol(client=False, extensions=[])
    return bytes(protocol._serialize_frame(opcode, payload, fin=fin))


def read_as_server(data: bytes) -> list[tuple[int, bytes]]:
    protocol = fp.FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(data)
    return [
        (
            frame.opcode,
            frame.payload.encode() if isinstance(frame.payload, str) else bytes(frame.payload),
        )
        for frame in protocol.received_frames()
    ]


SIZES = st.sampled_from([0, 1, 124, 125, 126, 127, 300, 65_535, 65_536])


@given(st.lists(SIZES, max_size=4), st.lists(st.integers(1, 200), max_size=30))
def test_frames_are_read_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    payloads = [bytes([at]) * size for at, size in enumerate(sizes)]
    data = b"".join(from_server(fp.Opcode.BINARY, payload) for payload in payloads)
    reader = frames.FrameReader()
    read = []
    for cut in cuts:
        read += reader.feed(data[:cut])
        data = data[cut:]
    read += reader.feed(data)

    assert read == [(frames.BINARY, payload) for payload in payloads]


@given(SIZES, st.binary(min_size=4, max_size=4))
def test_a_server_understands_what_is_sent(size: int, mask: bytes) -> None:
    payload = (b"0123456789" * (size // 10 + 1))[:size]

    assert read_as_server(frames.encode_frame(frames.BINARY, payload, mask)) == [
        (frames.BINARY, payload)
    ]


def test_fragments_are_joined_around_a_ping() -> None:
    reader = frames.FrameReader()
    read = reader.feed(
        from_server(fp.Opcode.TEXT, b"one ", fin=False)
        + from_server(fp.Opcode.PING, b"?")
        + from_server(fp.Opcode.CONTINUATION, b"two")
    )

    assert read == [(frames.PING, b"?"), (frames.TEXT, b"one two")]


@pytest.mark.parametrize(
    "data",
    [
        bytes((0xC1, 0x00)),  # a reserved bit
        bytes((0x81, 0x80)) + bytes(4),  # masked
        bytes((0x80, 0x00)),  # a continuation of nothing
        bytes((0x09, 0x00)),  # a ping in parts
        bytes((0x8B, 0x00)),  # an unknown control frame
        bytes((0x82, 127)) + (1 << 40).to_bytes(8, "big"),  # a terabyte
    ],
)
def test_frames_no_server_may_send_are_refused(data: bytes) -> None:
    with pytest.raises(frames.BadFrame):
        frames.FrameReader().feed(data)


def test_close_codes() -> None:
    assert frames.close_code((4008).to_bytes(2, "big") + b"slow") == 4008
    assert frames.close_code(b"") == 1005


def test_the_handshake_answer_is_that_of_the_rfc() -> None:
    assert frames.handshake_answer("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
