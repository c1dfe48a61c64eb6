"""Commands of the realtime protocol: one frame in, at most one reply out.

A frame is checked in this order, and each fault has its own code: it is JSON, an object, of a
known type, with valid fields, within the rate. Then the same use case runs that REST runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from actors.delivery.session import Session
from aeon.auth.principal import Principal
from aeon.errors import describe
from aeon.services import Services
from aeon.usecases import messages as message_cases
from aeon.wire import frames
from aeon.wire.requests import field_errors
from aeon.ws import commands
from aeon.ws.resume import Resume

MAX_REPLY_ID_CHARACTERS: Final = 64
BAD_FRAMES_ALLOWED: Final = 50
"""Faulty frames in a row of good and bad that a connection may send; each good one earns
back one."""

_log = structlog.get_logger(__name__)


class BadFrames(Exception):
    """Too many frames that made no sense: the connection has to end."""


@dataclass(frozen=True, slots=True)
class _Fault(Exception):
    """A frame that can not be carried out as it stands."""

    code: str
    message: str
    field: str | None = None


Fields = dict[str, object]
"""What an ack carries beside its id."""

Handler = Callable[["Dispatcher", BaseModel], Awaitable[Fields]]


class Dispatcher:
    """Carries out the frames of one connection, one after the other."""

    def __init__(self, services: Services, principal: Principal, session: Session) -> None:
        self.services = services
        self.principal = principal
        self.session = session
        self.resume = Resume(services, session)
        self._bad_frames = 0

    async def handle(self, data: str | bytes | None) -> None:
        """Carry out one frame and reply to it.

        Raises:
            BadFrames: the client sends little but nonsense.
        """
        reply_id: str | None = None
        try:
            frame = _parse(data)
            reply_id = _reply_id(frame)
            command = _COMMANDS.get(str(frame.get("type")))
            if command is None:
                raise _Fault("unknown_type", "Unknown type of frame.", field="type")
            model = _validate(command.model, frame)
        except _Fault as fault:
            self._count_bad_frame()
            self.session.send(
                frames.error_frame(fault.code, fault.message, reply_id=reply_id, field=fault.field)
            )
            return
        self._bad_frames = max(0, self._bad_frames - 1)
        try:
            ack = await command.handler(self, model)
        except Exception as error:
            self._reply_with_error(error, str(frame.get("type")), reply_id)
            return
        if command.model is commands.Ping:
            self.session.send(frames.pong_frame(reply_id))
        elif reply_id is not None:
            self.session.send(frames.ack_frame(reply_id, ack))

    def _count_bad_frame(self) -> None:
        self._bad_frames += 1
        if self._bad_frames > BAD_FRAMES_ALLOWED:
            raise BadFrames

    def _reply_with_error(self, error: Exception, frame_type: str, reply_id: str | None) -> None:
        fault = describe(error)
        if fault.is_bug:
            _log.exception("command_failed", type=frame_type, user_id=self.principal.user.id)
        self.session.send(
            frames.error_frame(
                fault.code,
                fault.message,
                reply_id=reply_id,
                retryable=fault.retryable,
                retry_after_seconds=fault.retry_after_seconds,
            )
        )


def _parse(data: str | bytes | None) -> Mapping[str, object]:
    if not isinstance(data, str):
        raise _Fault("invalid_frame", "Frames are text, one JSON object each.")
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _Fault("invalid_json", "The frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise _Fault("invalid_frame", "A frame is one JSON object.")
    return frame


def _reply_id(frame: Mapping[str, object]) -> str | None:
    reply_id = frame.get("id")
    if reply_id is None:
        return None
    if not isinstance(reply_id, str) or not 0 < len(reply_id) <= MAX_REPLY_ID_CHARACTERS:
        raise _Fault(
            "invalid_field",
            f"id is a string of 1 to {MAX_REPLY_ID_CHARACTERS} characters.",
            field="id",
        )
    return reply_id


def _validate(model: type[BaseModel], frame: Mapping[str, object]) -> BaseModel:
    fields = {name: value for name, value in frame.items() if name not in ("type", "id")}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = field_errors(error)[0]
        raise _Fault(first.code, first.message, field=first.field) from None
