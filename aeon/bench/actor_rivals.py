"""The same two operations on other Python actor libraries, where they are installed.

Pykka runs a thread per actor, triotp a task; neither bounds its mailboxes. A library that is
absent, or does not run on this Python and Trio, is left out.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import trio
import trio.testing

# The libraries are optional and untyped for us: Any all through this file.


def pykka_figures(n: int = 3_000) -> dict[str, float]:
    """Seconds per tell and per ask with a timeout."""
    pykka: Any = importlib.import_module("pykka")

    class Sink(pykka.ThreadingActor):  # type: ignore[misc]  # the base is Any
        def on_receive(self, message: object) -> object:
            return message

    ref = Sink.start()
    try:
        began = time.perf_counter()
        for n_ in range(n):
            ref.tell(n_)
        ref.ask("all handled")
        told = time.perf_counter()
        for n_ in range(n):
            ref.ask(n_, timeout=5)
        asked = time.perf_counter()
    finally:
        ref.stop()
    return {"pykka: tell": (told - began) / n, "pykka: ask with timeout": (asked - told) / n}


def triotp_figures(n: int = 2_000) -> dict[str, float]:
    """Seconds per cast and per call with a timeout."""
    gen_server: Any = importlib.import_module("triotp.gen_server")
    mailbox: Any = importlib.import_module("triotp.mailbox")
    # Its servers are modules with callbacks.
    sink: Any = ModuleType("sink")

    async def init(_arg: object) -> None:
        pass

    async def handle_cast(message: object, state: object) -> object:
        return gen_server.NoReply(), state

    async def handle_call(message: object, caller: object, state: object) -> object:
        return gen_server.Reply(payload=message), state

    sink.init, sink.handle_cast, sink.handle_call = init, handle_cast, handle_call

    async def main() -> dict[str, float]:
        mailbox._init()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gen_server.start, sink, None, "sink")
            await trio.testing.wait_all_tasks_blocked()
            began = time.perf_counter()
            for n_ in range(n):
                await gen_server.cast("sink", n_)
            await gen_server.call("sink", "all handled")
            told = time.perf_counter()
            for n_ in range(n):
                await gen_server.call("sink", n_, timeout=5)
            asked = time.perf_counter()
            nursery.cancel_scope.cancel()
        return {"triotp: cast": (told - began) / n, "triotp: call with timeout": (asked - told) / n}

    return trio.run(main)


def rival_figures() -> dict[str, float]:
    """What could be measured; empty where nothing is installed."""
    figures: dict[str, float] = {}
    rivals: list[Callable[[], dict[str, float]]] = [pykka_figures, triotp_figures]
    for rival in rivals:
        try:
            figures |= rival()
        except ImportError:
            continue
    return figures
