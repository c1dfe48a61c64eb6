"""What the runtime writes to the log ``actors.runtime``: addresses, types, numbers.

Crashes come with their traceback, because they are bugs; transient failures without, because
they are not. Dead letters are logged the 1st, 10th, 100th ... time per kind and reason.
"""

from __future__ import annotations

import logging

from actors.runtime.address import Address

_logger = logging.getLogger("actors.runtime")
_logger.addHandler(logging.NullHandler())  # quiet until the application configures logging


def crashed(address: Address, failure: Exception, *, transient: bool, wait_seconds: float) -> None:
    """An actor crashed and will be restarted."""
    name = type(failure).__name__
    if transient:
        _logger.warning("%s: %s, tries again in %.2f s", address, name, wait_seconds)
    else:
        _logger.error(
            "%s crashed with %s, restarts in %.2f s",
            address,
            name,
            wait_seconds,
            exc_info=failure,
        )


def gave_up(address: Address, failure: Exception) -> None:
    """An actor has used up its restart policy."""
    _logger.error(
        "%s crashed with %s too often, stops", address, type(failure).__name__, exc_info=failure
    )


def not_started(address: Address, failure: Exception) -> None:
    """An actor could not start while the system shuts down; what waited for it is dropped."""
    name = type(failure).__name__
    _logger.error("%s failed to start: %s, and will not again", address, name, exc_info=failure)


def cut_off(address: Address, message_type: str | None, seconds: float) -> None:
    """An operator ended what an actor was doing."""
    _logger.warning("%s cut off after %.2f s of %s", address, seconds, message_type or "no message")


def stopped_badly(address: Address, failure: Exception) -> None:
    """``on_stop`` failed; the actor is gone all the same."""
    _logger.error("%s failed to stop: %s", address, type(failure).__name__, exc_info=failure)


def service_failed(name: str, failure: Exception) -> None:
    """A child of the static tree failed."""
    _logger.error("service %s failed: %s", name, type(failure).__name__, exc_info=failure)


def dead_letters(kind: str, reason: str, count: int) -> None:
    """Messages were not handled. Throttled by the count itself."""
    if str(count).rstrip("0") == "1":
        _logger.warning("dead letters of %s, %s: %d so far", kind, reason, count)


def left_behind(name: str, count: int) -> None:
    """The shutdown budget was used up."""
    _logger.warning("%s: %d actors were cut off at shutdown", name, count)
