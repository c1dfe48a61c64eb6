"""How the node is: for health checks, which nobody logs in for."""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import Final

import trio

from aeon.services import Services
from storage import migrate
from storage.errors import StorageError

DATABASE_SECONDS: Final = 2.0


class Readiness(StrEnum):
    """Whether to send traffic here."""

    READY = "ready"
    DRAINING = "draining"
    UNAVAILABLE = "unavailable"
    OUTDATED = "schema_outdated"


async def check_database(services: Services) -> str | None:
    """Ask the database for a sign of life; None, or the name of what is wrong."""
    try:
        with trio.fail_after(DATABASE_SECONDS):
            async with services.database.connection() as conn:
                await conn.fetch_one("SELECT 1")
    except StorageError as error:
        return type(error).__name__
    except trio.TooSlowError:
        return "TooSlow"
    return None


def redis_state(services: Services) -> dict[str, str]:
    """Say how this node gets on with the others; nothing at all where it is the only one.

    Without Redis a node serves on: what other nodes commit just reaches it later.
    """
    bus = services.bus
    if bus is None:
        return {}
    if not bus.is_connected:
        return {"redis": "away"}
    return {"redis": "refuses" if bus.is_refused else "connected"}


async def check_readiness(services: Services) -> Readiness:
    """Tell whether this node can serve."""
    if services.lifecycle.is_draining:
        return Readiness.DRAINING
    try:
        with trio.fail_after(DATABASE_SECONDS):
            revision = await migrate.current_revision(services.database)
    except (StorageError, trio.TooSlowError):
        return Readiness.UNAVAILABLE
    # A newer schema is no reason to stop: while nodes are updated one by one, the new version
    # has migrated and the old ones go on serving.
    if revision is None or revision in _older_revisions():
        return Readiness.OUTDATED
    return Readiness.READY


@functools.cache
def _older_revisions() -> frozenset[str]:
    return frozenset(migrate.revisions()) - {migrate.head_revision()}
