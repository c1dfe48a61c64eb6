"""Opening exception groups, in one place. Pure.

A handler with a nursery raises groups; a cancelled one may raise a group of its own error and
Trio's ``Cancelled``. The runner decides on errors and must pass everything else on.
"""

from __future__ import annotations

from actors.runtime.errors import ActorFailed, ActorStopped, AskTimeout, MailboxFull

_BUSY_OR_GONE = (AskTimeout, MailboxFull, ActorStopped)


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
    """Whether nothing but failures of the surroundings is in ``error``.

    That is what is listed, and an ask that failed because another actor was slow, full or gone.
    An actor that failed on the question is what it failed of; without a cause it was cut off.
    """
    if isinstance(error, ExceptionGroup):
        return all(is_transient(leaf, transient) for leaf in error.exceptions)
    if isinstance(error, (*_BUSY_OR_GONE, *transient)):
        return True
    if isinstance(error, ActorFailed):
        cause = error.__cause__
        return cause is None or (isinstance(cause, Exception) and is_transient(cause, transient))
    return False
