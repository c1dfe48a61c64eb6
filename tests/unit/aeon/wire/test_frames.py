"""Frames that are no events."""

import orjson

from aeon.wire import frames
from storage.ids import UserId
from tests.helpers import records


def test_the_greeting() -> None:
    frame = orjson.loads(
        frames.greeting_frame(user_id=UserId(7), session_id="s", server_time=records.AT)
    )
    assert frame == {
        "type": "connection_established",
        "user_id": 7,
        "session_id": "s",
        "server_time": "2026-11-23T05:17:06.412466Z",
        "heartbeat_seconds": 25,
        "max_frame_bytes": 65536,
        "protocol": 1,
    }


def test_acks_and_pongs() -> None:
    ack = orjson.loads(frames.ack_frame("1", {"chats": {12: {"seq": 5}}, "left": [7]}))
    assert ack == {"type": "ack", "id": "1", "chats": {"12": {"seq": 5}}, "left": [7]}
    assert orjson.loads(frames.pong_frame(None)) == {"type": "pong"}
    assert orjson.loads(frames.pong_frame("x")) == {"type": "pong", "id": "x"}


def test_errors_carry_only_what_is_known() -> None:
    assert orjson.loads(frames.error_frame("code", "Text.")) == {
        "type": "error",
        "code": "code",
        "message": "Text.",
        "retryable": False,
    }
    full = orjson.loads(
        frames.error_frame(
            "code", "Text.", reply_id="1", field="f", retryable=True, retry_after_seconds=0.0101
        )
    )
    assert full == {
        "type": "error",
        "id": "1",
        "code": "code",
        "message": "Text.",
        "retryable": True,
        "field": "f",
        "retry_after_ms": 11,
    }


def test_the_farewell() -> None:
    assert orjson.loads(frames.shutdown_frame(1500)) == {
        "type": "server_shutdown",
        "reconnect_after_ms": 1500,
    }
