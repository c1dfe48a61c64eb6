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
from actors.user.ports import Attach, AttachRefused, Detach
from aeon import request_ids
from aeon.auth.principal import Principal
from aeon.services import Services
from aeon.wire.frames import greeting_frame
from aeon.ws.closing import BY_REASON, LEFT, CloseCode, Closing, say_when_to_return
from aeon.ws.commands import Context
from aeon.ws.dispatch import BadFrames, Dispatcher
from aeon.ws.resume import Resume

ATTACH_SECONDS: Final = 5.0
FIRST_RESUME_SECONDS: Final = 10.0
"""How long a connection made with ``?resume=1`` waits for its first resume."""

_log = structlog.get_logger(__name__)


class Connection:
    """Runs one connection from the greeting to the close frame."""

    def __init__(
        self,
        *,
        services: Services,
        principal: Principal,
        transport: FrameTransport,
        path: str,
        session_id: str,
        hold_all: bool,
    ) -> None:
        self._services = services
        self._principal = principal
        self._transport = transport
        self._path = path
        self._closing: Closing | None = None
        self._has_to_close = trio.Event()
        self._session = Session(
            session_id=session_id,
            user_id=principal.user.id,
            transport=transport,
            on_close=self._end,
            hold_all=hold_all,
            credential_id=principal.session_id,
        )
        self._resume = Resume(services, self._session)

    async def run(self) -> None:
        """Serve until the client leaves or the connection has to be closed."""
        user = self._services.user(self._principal.user.id)
        greeting = greeting_frame(
            user_id=self._principal.user.id,
            session_id=self._session.id,
            server_time=self._services.now(),
        )
        counts = self._services.counts
        counts.socket_opened(self._path)
        request_ids.begin(self._session.id)
        try:
            try:
                await user.ask(
                    Attach(self._session, greeting),
                    timeout_seconds=ATTACH_SECONDS,
                    trace_id=self._session.id,
                )
            except (ActorError, AttachRefused):
                _log.warning("attach_failed", user_id=self._principal.user.id)
                self._close(Closing(CloseCode.FAULT, "unavailable"))
                await self._transport.close(CloseCode.FAULT, "unavailable")
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_commands)
                if self._session.hold_all:
                    nursery.start_soon(self._lift_first_hold)
                await self._has_to_close.wait()
                nursery.cancel_scope.cancel(reason="the connection is being closed")
        finally:
            user.tell(Detach(self._session))
            how = LEFT if self._closing is None else self._closing.counted_as
            counts.socket_closed(self._path, *how)
        if self._closing is not None:
            if self._closing.code is CloseCode.RESTART:
                say_when_to_return(self._transport)
            elif self._closing.code is CloseCode.TOO_SLOW:
                # It will resume. Behind all that waits it would hardly get to see why.
                self._transport.drop_pending()
            await self._transport.close(self._closing.code, self._closing.reason)

    async def _lift_first_hold(self) -> None:
        """A client that promised to resume and did not gets its events live after all."""
        await trio.sleep(FIRST_RESUME_SECONDS)
        self._resume.wait_no_longer()

    def _end(self, reason: CloseReason) -> None:
        self._close(BY_REASON[reason])

    def _close(self, closing: Closing) -> None:
        if self._closing is None:
            self._closing = closing
            self._has_to_close.set()

    async def _read_commands(self) -> None:
        dispatcher = Dispatcher(
            Context(
                services=self._services,
                principal=self._principal,
                session=self._session,
                resume=self._resume,
            )
        )
        try:
            while True:
                await dispatcher.handle(await websocket.receive())
        except BadFrames:
            self._close(Closing(CloseCode.PROTOCOL_VIOLATION, "too_many_bad_frames"))
        # A bug in one connection ends that connection, and says so.
        except Exception:  # noqa: BLE001
            _log.exception("connection_failed", user_id=self._principal.user.id)
            self._close(BY_REASON[CloseReason.FAULT])
