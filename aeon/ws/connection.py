"""One authenticated connection: reads commands in order, answers each, ends with a code.

Rules of this file:

- One command at a time: the next frame is read when the last one was answered, so a client
  that sends faster than it is served is slowed down by TCP, not by a queue of ours.
- Events do not pass through here: chat actors write into the session.
- However it ends (client gone, closed by the server, a bug), the user's actor is told, and
  that is a synchronous call that no cancellation can cut short.
"""

from __future__ import annotations

from typing import Final

import structlog
import trio
from quart import websocket

from actors.delivery.frame import FrameTransport
from actors.delivery.session import CloseReason, Session
from actors.runtime import ActorError
from actors.user.ports import Attach, Detach
from aeon.auth.principal import Principal
from aeon.services import Services
from aeon.wire.frames import greeting_frame
from aeon.ws.closing import BY_REASON, CloseCode, Closing
from aeon.ws.dispatch import BadFrames, Dispatcher

ATTACH_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class Connection:
    """Runs one connection from the greeting to the close frame."""

    def __init__(
        self,
        *,
        services: Services,
        principal: Principal,
        transport: FrameTransport,
        session_id: str,
        hold_all: bool,
    ) -> None:
        self._services = services
        self._principal = principal
        self._transport = transport
        self._closing: Closing | None = None
        self._has_to_close = trio.Event()
        self._session = Session(
            session_id=session_id,
            user_id=principal.user.id,
            transport=transport,
            on_close=self._end,
            hold_all=hold_all,
        )

    async def run(self) -> None:
        """Serve until the client leaves or the connection has to be closed."""
        user = self._services.user(self._principal.user.id)
        greeting = greeting_frame(
            user_id=self._principal.user.id,
            session_id=self._session.id,
            server_time=self._services.now(),
        )
        try:
            try:
                await user.ask(Attach(self._session, greeting), timeout_seconds=ATTACH_SECONDS)
            except ActorError:
                _log.warning("attach_failed", user_id=self._principal.user.id)
                await self._transport.close(CloseCode.FAULT, "unavailable")
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_commands)
                await self._has_to_close.wait()
                nursery.cancel_scope.cancel(reason="the connection is being closed")
        finally:
            user.tell(Detach(self._session))
        if self._closing is not None:
            await self._transport.close(self._closing.code, self._closing.reason)

    def _end(self, reason: CloseReason) -> None:
        self._close(BY_REASON[reason])

    def _close(self, closing: Closing) -> None:
        if self._closing is None:
            self._closing = closing
            self._has_to_close.set()

    async def _read_commands(self) -> None:
        dispatcher = Dispatcher(self._services, self._principal, self._session)
        try:
            while True:
                # Quart gives None for an empty binary frame.
                data: str | bytes | None = await websocket.receive()
                await dispatcher.handle(data)
        except BadFrames:
            self._close(Closing(CloseCode.PROTOCOL_VIOLATION, "too_many_bad_frames"))
        except Exception:
            _log.exception("connection_failed", user_id=self._principal.user.id)
            self._close(BY_REASON[CloseReason.FAULT])
