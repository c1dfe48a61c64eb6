"""What the current task is answering: lets asks inherit deadlines and find cycles.

One context variable, set by the runner while a message is handled. Tasks that a handler starts
inherit it; outside of actors it is None.
"""

from __future__ import annotations

from contextvars import ContextVar

from actors.runtime.address import Address


class Call:
    """The actors that wait for the current handler, and until when.

    ``chain`` ends with the handling actor itself. A tell starts a new chain, because nobody
    waits for it.
    """

    __slots__ = ("chain", "deadline", "trace_id")

    def __init__(
        self, chain: tuple[Address, ...], deadline: float, trace_id: str | None = None
    ) -> None:
        self.chain = chain
        self.deadline = deadline
        self.trace_id = trace_id


current_call: ContextVar[Call | None] = ContextVar("actors_current_call", default=None)


def current_trace_id() -> str | None:
    """Give the trace id of the message that is being handled; of a batch, its first ask's."""
    call = current_call.get()
    return None if call is None else call.trace_id
