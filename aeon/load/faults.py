"""Faults of a load run that a person at a terminal can do something about."""

from __future__ import annotations

from collections.abc import Iterator


class LoadFault(Exception):
    """The run can not go on; the text says why and what to do."""

    exit_status = 1


class UsageFault(Exception):
    """What was asked for makes no sense."""

    exit_status = 2


class ServerGone(LoadFault):
    """The server does not answer, or stopped answering."""


class Refused(LoadFault):
    """The server refused something the run can not do without."""


def leaves(
    group: BaseExceptionGroup[LoadFault | UsageFault],
) -> Iterator[LoadFault | UsageFault]:
    """Yield the faults of a group, one for each text."""
    told: set[str] = set()
    for error in group.exceptions:
        found = list(leaves(error)) if isinstance(error, BaseExceptionGroup) else [error]
        for fault in found:
            if str(fault) not in told:
                told.add(str(fault))
                yield fault
