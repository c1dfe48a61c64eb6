"""The tasks of one connection, in the shape that Hypercorn's protocols expect.

One application's queue never blocks the reader for ever, nor the other way round: Hypercorn's
own waits without bound to say ``disconnect`` to an application that reads nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from aeon.net.hypercorn import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Config, Scope

OWN_TRANSPORT: Final = "aeon.transport"
"""Name of the scope's extension by which this server says that it has set the transport."""


class Tasks:
    """Starts tasks that live at most as long as their connection."""

    __slots__ = ("_nursery",)

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def spawn(self, action: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task.

        Raises:
            RuntimeError: the connection has just ended.
        """
        self._nursery.start_soon(action, *args)

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the application for one scope; gives the way to put events into its queue."""
        if scope["type"] == "websocket":
            scope["extensions"][OWN_TRANSPORT] = {}
        queue, events = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)

        async def put(event: ASGIReceiveEvent) -> None:
            try:
                if event["type"] == "http.disconnect":
                    # An app that has not read its body does not read this either.
                    queue.send_nowait(event)
                else:
                    await queue.send(event)
            except (trio.WouldBlock, trio.BrokenResourceError):
                pass

        async def run() -> None:
            with events:
                try:
                    await app(
                        scope,
                        events.receive,
                        send,
                        trio.to_thread.run_sync,
                        trio.from_thread.run,
                    )
                except* Exception:  # noqa: BLE001 - the app's errors are not the connection's
                    await config.log.exception("Error in ASGI Framework")
            await send(None)

        self._nursery.start_soon(run)
        return put
