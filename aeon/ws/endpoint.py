"""``/ws``: accept, find out who it is, then run the connection.

The handshake is always accepted and refused with a close code after, because a browser can not
read the status of a refused handshake.
"""

from __future__ import annotations

import secrets
from typing import Final

import orjson
import structlog
import trio
from quart import websocket
from quart_trio import QuartTrio

from aeon.auth.authenticate import Credentials, authenticate
from aeon.auth.principal import Principal
from aeon.auth.rates import check_rate_of
from aeon.errors import AuthError, RateLimited, describe
from aeon.limits import Kind
from aeon.server import current_transport
from aeon.services import Services
from aeon.wire.frames import error_frame
from aeon.ws.closing import BY_REASON, CloseCode, Closing, say_when_to_return
from aeon.ws.connection import Connection
from aeon.ws.dispatch import is_reply_id

AUTH_SECONDS: Final = 10.0
"""How long a connection may stay silent before it says who it is."""

FRAMES_BEFORE_AUTH: Final = 20
"""How many other frames are answered before the connection is given up."""

_log = structlog.get_logger(__name__)


def register(app: QuartTrio, services: Services) -> None:
    """Serve the realtime protocol at ``/ws``."""
    services.counts.expect_closings(closing.counted_as for closing in BY_REASON.values())

    @app.websocket("/ws")
    async def realtime() -> None:
        await websocket.accept()
        transport = current_transport()
        try:
            if services.lifecycle.is_draining:
                raise _Refused(Closing(CloseCode.RESTART, "restart"))
            _check_attempts(services, websocket.remote_addr or "", Kind.KNOCK)
            principal = await _who_is_it(services)
            _check_attempts(services, principal.user.id, Kind.CONNECT)
        except _Refused as refusal:
            services.counts.socket_refused(*refusal.closing.counted_as)
            if refusal.closing.code is CloseCode.RESTART:
                say_when_to_return(transport)
            await transport.close(refusal.closing.code, refusal.closing.reason)
            return
        connection = Connection(
            services=services,
            principal=principal,
            transport=transport,
            path=transport.kind,
            session_id=secrets.token_urlsafe(12),
            hold_all=websocket.args.get("resume") == "1",
        )
        await connection.run()


class _Refused(Exception):
    """The connection ends before it began."""

    def __init__(self, closing: Closing) -> None:
        super().__init__(closing.reason)
        self.closing = closing


def _check_attempts(services: Services, who: int | str, kind: Kind) -> None:
    try:
        check_rate_of(services, who, kind)
    except RateLimited:
        raise _Refused(Closing(CloseCode.TOO_MANY, "too_many_attempts")) from None


async def _who_is_it(services: Services) -> Principal:
    credentials = _from_handshake()
    if credentials is None:
        credentials = await _from_first_frame()
    try:
        return await authenticate(services, credentials)
    except AuthError as error:
        raise _Refused(Closing(CloseCode.UNAUTHENTICATED, error.code)) from None
    except Exception as error:
        fault = describe(error)
        if fault.is_bug:
            _log.exception("websocket_authentication_failed")
        raise _Refused(Closing(CloseCode.FAULT, fault.code)) from error


def _from_handshake() -> Credentials | None:
    """Credentials of the handshake: query before headers, first match wins."""
    if init_data := websocket.args.get("init_data"):
        return Credentials(init_data=init_data)
    if token := websocket.args.get("token"):
        return Credentials(token=token)
    if init_data := websocket.headers.get("X-Telegram-Init-Data"):
        return Credentials(init_data=init_data)
    scheme, _, token = websocket.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return Credentials(token=token.strip())
    return None


async def _from_first_frame() -> Credentials:
    """Wait for ``{"type": "auth", ...}``; anything else is answered and waited past."""
    transport = current_transport()
    with trio.move_on_after(AUTH_SECONDS):
        for _ in range(FRAMES_BEFORE_AUTH):
            frame = _parse(await websocket.receive())
            if frame is not None and frame.get("type") == "auth":
                init_data, token = frame.get("init_data"), frame.get("token")
                if isinstance(init_data, str):
                    return Credentials(init_data=init_data)
                if isinstance(token, str):
                    return Credentials(token=token)
            reply_id = frame.get("id") if frame is not None else None
            payload = error_frame(
                "unauthenticated",
                "The first frame has to be of type auth, with init_data or token.",
                reply_id=reply_id if is_reply_id(reply_id) else None,
            )
            if not transport.send_nowait((payload,)):
                raise _Refused(Closing(CloseCode.TOO_SLOW, "too_slow"))
        raise _Refused(Closing(CloseCode.PROTOCOL_VIOLATION, "too_many_bad_frames"))
    raise _Refused(Closing(CloseCode.UNAUTHENTICATED, "auth_timeout"))


def _parse(data: str | bytes | None) -> dict[str, object] | None:
    if not isinstance(data, str):
        return None
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return frame if isinstance(frame, dict) else None
