"""A server for ``aeon bench media`` in a process of its own, so that its memory can be read.

``python -m aeon.bench.media_node node SETTINGS`` runs a node; ``... discard`` runs Hypercorn as
it comes, with a bare ASGI application that reads a body and throws it away, and ``... quart``
with a Quart handler that does. All print where they listen and run until their input ends.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import trio
from quart import request
from quart_trio import QuartTrio

from aeon.config import Settings
from aeon.main import run_node
from aeon.net.hypercorn import serve_as_it_comes
from aeon.server import Config, Listening


async def discard_body(scope: Any, receive: Any, send: Any) -> None:
    """Read a body and throw it away: an ASGI application, and nothing around it."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


def discarding_app() -> QuartTrio:
    """Make an application whose one handler reads a body and throws it away."""
    app = QuartTrio("discard")
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/<path:path>")
    async def discard(path: str) -> str:
        async for _ in request.body:
            pass
        return ""

    return app


async def run_discard(
    stop: trio.Event,
    *,
    in_quart: bool,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run Hypercorn's own Trio worker over an application that discards."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_as_it_comes,
            discarding_app() if in_quart else discard_body,
            config,
            shutdown_trigger=stop.wait,
            mode="asgi",
        )
        urls = await nursery.start(serve)
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
            discard = partial(run_discard, stop, in_quart=arguments[0] == "quart")
            url = await nursery.start(discard)
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        stop.set()


if __name__ == "__main__":
    trio.run(main, sys.argv[1:])
