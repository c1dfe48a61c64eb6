"""Asks a person's token bucket before something is done for them."""

from __future__ import annotations

from aeon.auth.principal import Principal
from aeon.errors import RateLimited
from aeon.limits import Kind
from aeon.services import Services


def check_rate(services: Services, principal: Principal, kind: Kind) -> None:
    """Take a token of this kind.

    Raises:
        RateLimited: with the time until there is one.
    """
    check_rate_of(services, principal.user_id, kind)


def check_rate_of(services: Services, who: int | str, kind: Kind) -> None:
    """Take a token for someone who is not known yet (a network address).

    Raises:
        RateLimited: with the time until there is one.
    """
    if not services.settings.are_rate_limits_on:
        return
    wait_seconds = services.limiter.take(kind, who)
    if wait_seconds > 0.0:
        raise RateLimited(wait_seconds)
