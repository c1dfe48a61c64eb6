"""Random conversations: a few people in a few chats do everything there is to do.

A scenario is a list of small numbers; ``Play`` turns them into commands. Messages are named by
the order in which they were accepted, so that one scenario fits every appender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from storage.commands import AnyCommand, Committed, Outcome
from storage.events import MessageSent
from storage.records import ChatType, Role
from tests.helpers.commands import (
    add,
    close,
    create,
    delete,
    edit,
    promote,
    read,
    remove,
    send,
    update,
)

PEOPLE = 5
CHATS = 5

_KINDS = [
    "send",
    "send",
    "send",
    "send",
    "key",
    "key",
    "reply",
    "forward",
    "edit",
    "delete",
    "read",
    "read_all",
    "create",
    "pair",
    "notes",
    "update",
    "close",
    "add",
    "add",
    "remove",
    "leave",
    "role",
    "hand_over",
    "bad",
]


@dataclass(frozen=True)
class Step:
    kind: str
    chat: int
    actor: int
    other: int
    message: int


steps = st.builds(
    Step,
    kind=st.sampled_from(_KINDS),
    chat=st.integers(0, CHATS - 1),
    actor=st.integers(1, PEOPLE),
    other=st.integers(1, PEOPLE + 1),
    message=st.integers(0, 7),
)
"""Person ``PEOPLE + 1`` is known to nobody."""

opening = [Step("open", chat, chat + 1, 2, 0) for chat in range(2)]
"""Two groups of all; the other chats are there for who makes them."""

scenarios = st.lists(steps, min_size=5, max_size=60).map(lambda played: opening + played)


@dataclass
class Play:
    """Turns steps into commands, in a world of its own (``base`` is added to all ids)."""

    base: int = 0
    sent: list[MessageSent] = field(default_factory=list)

    def command(self, step: Step) -> AnyCommand:
        chat, actor, other = (
            self.base + step.chat + 1,
            self.base + step.actor,
            self.base + step.other,
        )
        found = self.sent[-1 - step.message] if step.message < len(self.sent) else None
        message = 9_000_000_000 + step.message if found is None else found.message.id
        match step.kind:
            case "send":
                return send(chat, actor, f"text {step.message}")
            case "key":
                return send(chat, actor, "keyed", client_msg_id=f"{self.base}-{step.message % 3}")
            case "reply":
                chat = chat if found is None else found.chat_id
                return send(chat, actor, "reply", reply_to_message_id=message)
            case "forward":
                return send(chat, actor, None, forward_message_id=message)
            case "edit" if found is not None:
                return edit(found.chat_id, found.actor_id, message)
            case "delete" if found is not None:
                return delete(found.chat_id, actor, message)
            case "edit" | "delete":
                return delete(chat, actor, message)
            case "read":
                chat = chat if found is None else found.chat_id
                return read(chat, actor, message)
            case "read_all":
                return read(chat, actor)
            case "bad":
                return send(chat, actor, "\x00")
            case _:
                return self._about_chats(step, chat, actor, other)

    def _about_chats(self, step: Step, chat: int, actor: int, other: int) -> AnyCommand:
        match step.kind:
            case "open":
                everybody = range(self.base + 1, self.base + PEOPLE + 1)
                return create(chat, actor, *everybody, title=f"{step.chat}")
            case "create":
                return create(chat, actor, other, self.base + 1, title=f"{step.chat}")
            case "pair":
                return create(chat, actor, other, type=ChatType.PRIVATE, title=None)
            case "notes":
                return create(chat, actor, type=ChatType.PRIVATE, title=None)
            case "update":
                return update(chat, actor, title=f"title {step.message}")
            case "close":
                return close(chat, actor)
            case "add":
                return add(chat, actor, other)
            case "remove":
                return remove(chat, actor, other)
            case "leave":
                return remove(chat, actor, actor)
            case "role":
                role = Role.ADMIN if step.message % 2 else Role.MEMBER
                return promote(chat, actor, other, role)
            case "hand_over":
                return promote(chat, actor, other, Role.OWNER)
        raise AssertionError(step.kind)

    def saw(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Committed) and isinstance(outcome.event, MessageSent):
                self.sent.append(outcome.event)
