"""Hypercorn and Quart-Trio are as they were when ``aeon.net`` was written around them."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

# Hypercorn 0.18.0, Quart-Trio 0.12.0. When one differs: read what changed there, compare it with
# what aeon/net/hypercorn.py and http2.py override or call, run the attack suite
# (tests/e2e/attacks) and the transport's (tests/e2e/transport), then note the new value.
FINGERPRINTS: dict[str, str] = {
    "hypercorn.config.Config": "dc2f45c3f99eac5f",
    "hypercorn.events.Closed": "fdf0811a40db6ca8",
    "hypercorn.events.Event": "e5a4dd0b3eda5a48",
    "hypercorn.events.RawData": "ef90de8e4a2d6245",
    "hypercorn.events.Updated": "2ac39e7065c0347f",
    "hypercorn.protocol.events.Body": "8ce9ffe374a51a0c",
    "hypercorn.protocol.events.Data": "2517b84d754e1ac1",
    "hypercorn.protocol.events.EndBody": "02dac5c429cfcdb4",
    "hypercorn.protocol.events.EndData": "6c75e311a6fe3e95",
    "hypercorn.protocol.events.Event": "65ee8cf55f56ac5c",
    "hypercorn.protocol.events.Request": "b59f0dd32d186342",
    "hypercorn.protocol.events.Response": "65d6ea1332731f5e",
    "hypercorn.protocol.events.StreamClosed": "9620ba19e65cbec9",
    "hypercorn.protocol.h11.H11Protocol": "b32a61e0a8ca2127",
    "hypercorn.protocol.h11.H11WSConnection": "33372cf689429978",
    "hypercorn.protocol.h11.H2ProtocolAssumedError": "590a4d24633fa9c4",
    "hypercorn.protocol.h11.STREAM_ID": "6b86b273ff34fce1",
    "hypercorn.protocol.h2.H2Protocol": "7257f8bafccaa2e5",
    "hypercorn.protocol.http_stream.HTTPStream": "e0f656feb55ab89c",
    "hypercorn.protocol.ws_stream.ASGIWebsocketState": "3de9dd6c0bf94436",
    "hypercorn.protocol.ws_stream.Handshake": "701a154c29b5ab4c",
    "hypercorn.protocol.ws_stream.WSStream": "67434c428a1a3c04",
    "hypercorn.trio.lifespan.Lifespan": "7c58a46fd0717442",
    "hypercorn.trio.serve": "9b117d42d6cfa7ef",
    "hypercorn.trio.worker_context.EventWrapper": "7c96abfd4a9ca2dc",
    "hypercorn.trio.worker_context.WorkerContext": "45885f0c0bd5bc9d",
    "hypercorn.typing.ASGIReceiveEvent": "a802c71bc994527c",
    "hypercorn.typing.ASGISendEvent": "3de18a34acf93d53",
    "hypercorn.typing.AppWrapper": "7ee0cf8bf31c4900",
    "hypercorn.typing.ConnectionState": "09467a1fc9487552",
    "hypercorn.typing.Framework": "31186c35b9bfa0ad",
    "hypercorn.typing.Scope": "26f18e6ff9a4f08c",
    "hypercorn.typing.WebsocketAcceptEvent": "16fbcfbe911f3a7d",
    "hypercorn.utils.filter_pseudo_headers": "ca4e499bf6cceb7e",
    "hypercorn.utils.wrap_app": "5d4461d441165998",
    "quart_trio.asgi.TrioASGIHTTPConnection": "6393e71c2a5138be",
    "quart_trio.asgi.TrioASGIWebsocketConnection": "a35afe442a69f510",
}
QUART_TRIO = ("TrioASGIHTTPConnection", "TrioASGIWebsocketConnection")


def names_imported() -> list[str]:
    """Everything that ``aeon/net/hypercorn.py`` takes from Hypercorn."""
    tree = ast.parse((ROOT / "aeon/net/hypercorn.py").read_text())
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hypercorn")
        for alias in node.names
    ]


RELIED_ON = [
    *names_imported(),
    # Not named there, but what the classes above and below them are made of.
    "hypercorn.protocol.ws_stream.Handshake",
    "hypercorn.trio.worker_context.EventWrapper",
    *(f"quart_trio.asgi.{name}" for name in QUART_TRIO),
]


@pytest.mark.parametrize("name", RELIED_ON)
def test_source_is_the_one_that_was_read(name: str) -> None:
    assert fingerprint(name) == FINGERPRINTS.get(name), f"{name}: see the comment in this file"


def test_no_fingerprint_is_left_over() -> None:
    assert sorted(FINGERPRINTS) == sorted(RELIED_ON)


def fingerprint(name: str) -> str:
    """Hash the source of a class or function, or the value of anything else."""
    module, _, attribute = name.rpartition(".")
    relied_on = getattr(importlib.import_module(module), attribute)
    if inspect.isclass(relied_on) or inspect.isfunction(relied_on):
        text = inspect.getsource(relied_on)
    else:
        text = repr(relied_on)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
