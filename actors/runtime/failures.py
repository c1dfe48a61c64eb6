"""Opening exception groups, in one place. Pure.

A handler with a nursery raises groups; a cancelled one may raise a group of its own error and
Trio's ``Cancelled``. The runner decides on errors and must pass everything else on.
"""

from __future__ import annotations


def split_failure(
    error: BaseException,
) -> tuple[Exception | None, BaseException | None]:
    """Part what an actor's supervisor decides on from what it must never swallow.

    Returns:
        The failure (a group of one is opened), and the rest: Cancelled, KeyboardInterrupt and
        their like.
    """
    if not isinstance(error, BaseExceptionGroup):
        return (error, None) if isinstance(error, Exception) else (None, error)
    failures, rest = error.split(Exception)
    if failures is None:
        return None, rest
    failure = opened(failures)
    assert isinstance(failure, Exception)
    return failure, rest


def opened(error: BaseException) -> BaseException:
    """The only error in a group of one, however deep; anything else as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def is_transient(error: Exception, transient: tuple[type[Exception], ...]) -> bool:
    """Whether nothing but transient failures is in ``error``."""
    if isinstance(error, ExceptionGroup):
        return all(is_transient(leaf, transient) for leaf in error.exceptions)
    return isinstance(error, transient)
