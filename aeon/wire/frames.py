"""Frames of the realtime protocol that are no events: greeting, acks, errors, farewell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from aeon.wire.encode import timestamp
from storage.ids import UserId

PROTOCOL_VERSION: Final = 1
HEARTBEAT_SECONDS: Final = 25
MAX_FRAME_BYTES: Final = 65_536

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS


def greeting_frame(*, user_id: UserId, session_id: str, server_time: datetime) -> bytes:
    """Encode the first frame of an authenticated connection."""
    return orjson.dumps(
        {
            "type": "connection_established",
            "user_id": user_id,
            "session_id": session_id,
            "server_time": timestamp(server_time),
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "max_frame_bytes": MAX_FRAME_BYTES,
            "protocol": PROTOCOL_VERSION,
        }
    )


def ack_frame(reply_id: str, fields: Mapping[str, object]) -> bytes:
    """Encode that a command took effect. Chat ids may be keys."""
    return orjson.dumps({"type": "ack", "id": reply_id, **fields}, option=_OPTIONS)


def pong_frame(reply_id: str | None) -> bytes:
    """Encode the answer to a ping."""
    if reply_id is None:
        return b'{"type":"pong"}'
    return orjson.dumps({"type": "pong", "id": reply_id})


def error_frame(
    code: str,
    message: str,
    *,
    reply_id: str | None = None,
    field: str | None = None,
    retryable: bool = False,
    retry_after_seconds: float | None = None,
) -> bytes:
    """Encode that a command failed."""
    frame: dict[str, object] = {"type": "error"}
    if reply_id is not None:
        frame["id"] = reply_id
    frame |= {"code": code, "message": message, "retryable": retryable}
    if field is not None:
        frame["field"] = field
    if retry_after_seconds is not None:
        frame["retry_after_ms"] = math.ceil(retry_after_seconds * 1000)
    return orjson.dumps(frame)


def shutdown_frame(reconnect_after_ms: int) -> bytes:
    """Encode that the server goes away and when to come back."""
    return orjson.dumps({"type": "server_shutdown", "reconnect_after_ms": reconnect_after_ms})
