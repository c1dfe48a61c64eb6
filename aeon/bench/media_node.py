"""A server for ``aeon bench media`` in a process of its own, so that its memory can be read.

``python -m aeon.bench.media_node node SETTINGS`` runs a node; ``... discard`` runs Hypercorn as
it comes, with an application that reads a body and throws it away. Both print where they listen
and run until their input ends.
"""

from __future__ import annotations

import sys

import hypercorn.trio
import trio
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from aeon.config import Settings
from aeon.main import run_node
from aeon.server import Listening


async def discard(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Read a request's body and answer 200 with nothing."""
    if scope["type"] != "http":
        raise RuntimeError("HTTP only")
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        has_more = message["type"] == "http.request" and message["more_body"]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"0")],
        }
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def run_discard(
    stop: trio.Event, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run Hypercorn's own Trio worker over ``discard``."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        urls = await nursery.start(
            lambda task_status: hypercorn.trio.serve(
                discard, config, shutdown_trigger=stop.wait, mode="asgi", task_status=task_status
            )
        )
        task_status.started(urls[0])


async def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        if arguments[0] == "node":
            settings = Settings.model_validate_json(arguments[1])
            listening: Listening = await nursery.start(run_node, settings, stop)
            url = listening.url
        else:
            url = await nursery.start(run_discard, stop)
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        stop.set()


if __name__ == "__main__":
    trio.run(main, sys.argv[1:])
