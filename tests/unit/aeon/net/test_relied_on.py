"""Hypercorn and Quart-Trio are as they were when ``aeon.net`` was written around them."""

from __future__ import annotations

import hashlib
import inspect

import pytest
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection

from aeon.net.hypercorn import RELIED_ON

# Hypercorn 0.18.0, Quart-Trio 0.12.0. When one differs: read what changed in that class, compare
# it with what aeon/net/hypercorn.py, http2.py and websocket.py override or call, run the attack
# suite (tests/e2e/attacks) and the transport's (tests/e2e/transport), then note the new value.
FINGERPRINTS = {
    "hypercorn.protocol.h11.H11Protocol": "b32a61e0a8ca2127",
    "hypercorn.protocol.h11.H11WSConnection": "33372cf689429978",
    "hypercorn.protocol.h2.H2Protocol": "7257f8bafccaa2e5",
    "hypercorn.protocol.http_stream.HTTPStream": "e0f656feb55ab89c",
    "hypercorn.protocol.ws_stream.Handshake": "701a154c29b5ab4c",
    "hypercorn.trio.lifespan.Lifespan": "7c58a46fd0717442",
    "hypercorn.protocol.h2.StreamBuffer": "bc347b7c78068613",
    "quart_trio.asgi.TrioASGIHTTPConnection": "6393e71c2a5138be",
    "quart_trio.asgi.TrioASGIWebsocketConnection": "a35afe442a69f510",
    "hypercorn.protocol.ws_stream.WSStream": "67434c428a1a3c04",
    "hypercorn.trio.worker_context.WorkerContext": "45885f0c0bd5bc9d",
}


@pytest.mark.parametrize(
    "relied_on",
    [*RELIED_ON, TrioASGIHTTPConnection, TrioASGIWebsocketConnection],
    ids=lambda kind: kind.__name__,
)
def test_source_is_the_one_that_was_read(relied_on: type) -> None:
    name = f"{relied_on.__module__}.{relied_on.__qualname__}"
    found = hashlib.sha256(inspect.getsource(relied_on).encode()).hexdigest()[:16]
    assert found == FINGERPRINTS[name], f"{name} has changed: see the comment in this file"
