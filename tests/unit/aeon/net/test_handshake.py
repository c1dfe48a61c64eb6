"""What makes a handshake, and how offers of compression are answered."""

import pytest

from aeon.net.handshake import agree_on_deflate, asks_for_websocket


@pytest.mark.parametrize(
    ("method", "headers", "is_one"),
    [
        (b"GET", [(b"upgrade", b"WebSocket"), (b"connection", b"Upgrade")], True),
        (b"GET", [(b"upgrade", b"websocket"), (b"connection", b"keep-alive, upgrade")], True),
        (
            b"GET",
            [
                (b"connection", b"keep-alive"),
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
            ],
            True,
        ),
        (b"POST", [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")], False),
        (b"GET", [(b"upgrade", b"h2c"), (b"connection", b"Upgrade")], False),
        (b"GET", [(b"upgrade", b"websocket"), (b"connection", b"close")], False),
        (b"GET", [], False),
    ],
)
def test_handshakes_are_told_from_requests(
    method: bytes, headers: list[tuple[bytes, bytes]], is_one: bool
) -> None:
    assert asks_for_websocket(method, headers) is is_one


def test_nothing_is_kept_between_messages_whatever_is_offered() -> None:
    agreed = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    assert agree_on_deflate([]) is None
    assert agree_on_deflate(["x-webkit-deflate-frame"]) is None
    assert agree_on_deflate(["permessage-deflate"]) == agreed
    assert agree_on_deflate(["foo", "permessage-deflate; client_max_window_bits"]) == agreed
    assert (
        agree_on_deflate(["permessage-deflate; server_max_window_bits=10", "permessage-deflate"])
        == agreed + b"; server_max_window_bits=10"
    )
