"""The route table: every operation of the API, in the order the description shows them."""

from __future__ import annotations

from typing import Final

from aeon.admin import routes as operations
from aeon.api import chats, messages, people, presence, service
from aeon.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *people.ROUTES,
    *chats.ROUTES,
    *presence.ROUTES,
    *messages.ROUTES,
    *operations.ROUTES,
    *service.ROUTES,
)
