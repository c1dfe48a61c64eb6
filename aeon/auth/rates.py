"""Asks a person's token bucket before something is done for them."""

from __future__ import annotations

from aeon.auth.principal import Principal
from aeon.errors import RateLimited
from aeon.limits import Kind
from aeon.net.addresses import one_of_many
from aeon.services import Services


def check_rate(services: Services, principal: Principal, kind: Kind) -> None:
    """Take a token of this kind.

    Raises:
        RateLimited: with the time until there is one.
    """
    check_rate_of(services, principal.user_id, kind)


def check_rate_of(services: Services, who: int | str, kind: Kind) -> None:
    """Take a token for someone who is not known yet: text is a network address.

    Everybody in one /64 of IPv6 is one, because whoever has one address there has all of them.

    Raises:
        RateLimited: with the time until there is one.
    """
    if not services.settings.are_rate_limits_on:
        return
    counted = one_of_many(who) if isinstance(who, str) else who
    wait_seconds = services.limiter.take(kind, counted)
    if wait_seconds > 0.0:
        raise RateLimited(wait_seconds)
