"""Every attack: a server with short deadlines, which afterwards still serves and is at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aeon.server import NetLimits
from tests.helpers.rawsocket import still_serves
from tests.helpers.serving import IMPATIENT, Running, serving


@pytest.fixture
def limits() -> NetLimits:
    """Those of the server; attacks that have nothing to do with time override them."""
    return IMPATIENT


@pytest.fixture
async def server(limits: NetLimits) -> AsyncIterator[Running]:
    """A server; after the test it has to serve a stranger and hold nothing of the attacker."""
    async with serving(limits=limits) as running:
        yield running
        await still_serves(running.port)
        await running.at_rest()
        assert running.listening.statistics().faults == 0
