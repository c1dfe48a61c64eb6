"""Whom the current task acts for, and until when: for the deadlines and the cycles of asks.

One context variable, set by the runner while a message is handled. Tasks that a handler starts
inherit it; outside of actors it is None.
"""

from __future__ import annotations

from contextvars import ContextVar

from actors.runtime.address import Address


class Call:
    """The actor that handles, starts or stops, and how long somebody waits for it.

    The deadline is infinite when nobody does: after a tell, in a start, in a stop.
    """

    __slots__ = ("address", "deadline", "trace_id")

    def __init__(self, address: Address, deadline: float, trace_id: str | None = None) -> None:
        self.address = address
        self.deadline = deadline
        self.trace_id = trace_id


current_call: ContextVar[Call | None] = ContextVar("actors_current_call", default=None)


def current_trace_id() -> str | None:
    """Give the trace id of the message that is being handled; of a batch, its first ask's."""
    call = current_call.get()
    return None if call is None else call.trace_id
