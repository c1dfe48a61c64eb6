"""Dispatch: one frame in, at most one reply out.

A frame is checked in this order, and each fault has its own code: it is JSON, an object, of a
known type, with valid fields, within the rate. Then the same use case runs that REST runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final, TypeGuard

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from aeon import request_ids
from aeon.auth.rates import check_rate
from aeon.counts import OK
from aeon.errors import EdgeError, FieldFault, InvalidInput, describe
from aeon.wire import frames
from aeon.wire.requests import PingCommand, field_errors
from aeon.ws.commands import COMMANDS, Command, Context

MAX_REPLY_ID_CHARACTERS: Final = 64
BAD_FRAMES_ALLOWED: Final = 50
"""How many more faulty frames than good ones a connection may send."""

UNKNOWN: Final = "unknown"
"""The type of a frame that names none of the table."""

_log = structlog.get_logger(__name__)
_trail = logging.getLogger(__name__)
"""One line for each command, asked for so often that it has to be cheap when nobody reads it."""


class BadFrames(Exception):
    """Too many frames that made no sense: the connection has to end."""


class Dispatcher:
    """Carries out the frames of one connection, one after the other."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._bad_frames = 0
        self._commands = 0

    async def handle(self, data: str | bytes | None) -> None:
        """Carry out one frame and reply to it.

        Raises:
            BadFrames: the client sends little but nonsense.
        """
        began = time.perf_counter()
        self._commands += 1
        request_ids.begin(f"{self._context.session.id}-{self._commands}")
        reply_id: str | None = None
        command_type = UNKNOWN
        try:
            frame = _parse(data)
            reply_id = _reply_id(frame)
            command_type, command = _find(frame)
            fields = _validate(command.model, frame)
            self._bad_frames = max(0, self._bad_frames - 1)
            if command.rate is not None:
                check_rate(self._context.services, self._context.principal, command.rate)
            ack = await command.run(self._context, fields)
        # The one place where a command's failure becomes its answer.
        except Exception as error:  # noqa: BLE001
            self._answer_failure(error, command_type, reply_id, began)
            return
        self._note(command_type, OK, began)
        if command.model is PingCommand:
            self._context.session.send(frames.pong_frame(reply_id))
        elif reply_id is not None:
            self._context.session.send(frames.ack_frame(reply_id, ack))

    def _note(self, command_type: str, outcome: str, began: float) -> None:
        seconds = time.perf_counter() - began
        self._context.services.counts.command(command_type, outcome, seconds)
        if _trail.isEnabledFor(logging.DEBUG):
            fields = {"type": command_type, "outcome": outcome, "seconds": round(seconds, 6)}
            _trail.debug("command_answered", extra=fields)

    def _answer_failure(
        self, error: Exception, command_type: str, reply_id: str | None, began: float
    ) -> None:
        fault = describe(error)
        self._note(command_type, fault.code, began)
        if fault.is_bug:
            _log.error(
                "command_failed",
                type=command_type,
                user_id=self._context.principal.user.id,
                exc_info=error,
            )
        field = fault.details[0].field if fault.details else None
        message = fault.details[0].message if fault.details else fault.message
        self._context.session.send(
            frames.error_frame(
                fault.code,
                message,
                reply_id=reply_id,
                field=field or None,
                retryable=fault.retryable,
                retry_after_seconds=fault.retry_after_seconds,
            )
        )
        if isinstance(error, _FrameFault | InvalidInput):
            self._bad_frames += 1
            if self._bad_frames > BAD_FRAMES_ALLOWED:
                raise BadFrames


class _FrameFault(EdgeError):
    """The frame itself makes no sense."""


def is_reply_id(value: object) -> TypeGuard[str]:
    """Say whether replies can carry it."""
    return isinstance(value, str) and 0 < len(value) <= MAX_REPLY_ID_CHARACTERS


def _parse(data: str | bytes | None) -> Mapping[str, object]:
    # Quart gives None for an empty binary frame.
    if not isinstance(data, str):
        raise _FrameFault("invalid_frame")
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _FrameFault("invalid_json", "The frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise _FrameFault("invalid_frame")
    return frame


def _reply_id(frame: Mapping[str, object]) -> str | None:
    reply_id = frame.get("id")
    if reply_id is None:
        return None
    if not is_reply_id(reply_id):
        message = f"a string of 1 to {MAX_REPLY_ID_CHARACTERS} characters"
        raise InvalidInput([FieldFault("id", message)])
    return reply_id


def _find(frame: Mapping[str, object]) -> tuple[str, Command]:
    command_type = frame.get("type")
    command = COMMANDS.get(command_type) if isinstance(command_type, str) else None
    if command is None or not isinstance(command_type, str):
        known = ", ".join(COMMANDS)
        details = [FieldFault("type", f"one of {known}", "unknown_type")]
        raise _FrameFault("unknown_type", details=details)
    return command_type, command


def _validate(model: type[BaseModel], frame: Mapping[str, object]) -> BaseModel:
    fields = {name: value for name, value in frame.items() if name not in ("type", "id")}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(field_errors(error)[:1]) from None
