"""Faults of a load run that a person at a terminal can do something about."""

from __future__ import annotations


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
