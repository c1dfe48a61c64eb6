"""About the server itself: what it is, whether it is alive, whether to send traffic to it."""

from __future__ import annotations

from typing import Final

from aeon.api.route import Answer, Call, Route
from aeon.usecases import node
from aeon.usecases.node import Readiness
from aeon.version import VERSION
from aeon.wire import schemas

_NO_STORE = {"Cache-Control": "no-store"}


async def _get_health(call: Call) -> Answer:
    """Say that the process is alive, and how it gets on with its database. Always 200."""
    fault = await node.check_database(call.services)
    database = "connected" if fault is None else f"error: {fault}"
    value = {"status": "healthy", "database": database, "version": VERSION}
    value |= node.redis_state(call.services)
    return Answer(value, headers=_NO_STORE)


async def _get_readiness(call: Call) -> Answer:
    """Say whether to send traffic here: 503 while it drains, or without its database.

    Also with a schema older than this version needs; a newer one is let pass, since nodes are
    updated one after the other. A Redis that is away or refuses keeps nobody from being served.
    """
    readiness = await node.check_readiness(call.services)
    status = 200 if readiness is Readiness.READY else 503
    value = {"status": readiness.value, **node.redis_state(call.services)}
    return Answer(value, status=status, headers=_NO_STORE)


async def _test_cors(_call: Call) -> Answer:
    """Let a front-end see that it may read answers."""
    return Answer(
        {"message": "CORS works", "status": "success", "cors_enabled": True}, headers=_NO_STORE
    )


_V1 = "/api/v1"

ROUTES: Final = (
    Route(
        method="GET",
        path=f"{_V1}/health",
        handler=_get_health,
        summary="Is it alive",
        tag="service",
        returns=schemas.Health,
        needs_login=False,
        example={"status": "healthy", "database": "connected", "version": VERSION},
    ),
    Route(
        method="GET",
        path=f"{_V1}/ready",
        handler=_get_readiness,
        summary="Is it ready for traffic",
        tag="service",
        returns=schemas.Readiness,
        needs_login=False,
        example={"status": "ready"},
    ),
    Route(
        method="GET",
        path=f"{_V1}/test-cors",
        handler=_test_cors,
        summary="Does CORS work",
        tag="service",
        returns=schemas.CorsTest,
        needs_login=False,
        example={"message": "CORS works", "status": "success", "cors_enabled": True},
    ),
)
