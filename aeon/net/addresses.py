"""Whom a network address stands for, where strangers are counted by address."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

SITE_BITS: Final = 64
"""Of an IPv6 address: the part that a provider gives; the rest its customer chooses freely."""


def one_of_many(address: str) -> str:
    """Give what all addresses of one customer have in common, as text.

    An IPv4 address stands for itself, also where IPv6 carries it; an IPv6 address for its /64.
    What is no address, like a socket's path, stands for itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed) >> SITE_BITS << SITE_BITS, SITE_BITS)))
