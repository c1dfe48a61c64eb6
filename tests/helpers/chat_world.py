"""A few chats of every type and the people in them, behind the fake appender."""

from storage.commands import (
    AnyCommand,
    Committed,
    Outcome,
    Rejected,
    RejectReason,
)
from storage.events import (
    MessageSent,
)
from storage.records import ChatType, Role
from tests.helpers.commands import (
    create,
    promote,
)
from tests.helpers.fake_appender import FakeAppender

OWNER, ADMIN, MEMBER, OTHER, STRANGER, NOBODY = 1, 2, 3, 4, 9, 99
GROUP, CHANNEL, PAIR, NOTES, ELSEWHERE = 10, 20, 30, 40, 50
REASONS = RejectReason


async def make_chat_world() -> FakeAppender:
    """A group, a channel, a pair's private chat, notes, and a chat of others."""
    fake = FakeAppender(range(1, 10))
    for chat, type_ in ((GROUP, ChatType.GROUP), (CHANNEL, ChatType.CHANNEL)):
        await fake.append([create(chat, OWNER, ADMIN, MEMBER, OTHER, type=type_)])
        await fake.append([promote(chat, OWNER, ADMIN, Role.ADMIN)])
    await fake.append([create(PAIR, OWNER, MEMBER, type=ChatType.PRIVATE)])
    await fake.append([create(NOTES, OWNER, type=ChatType.PRIVATE)])
    await fake.append([create(ELSEWHERE, OTHER, STRANGER)])
    return fake


async def one(world: FakeAppender, command: AnyCommand) -> Outcome:
    (outcome,) = await world.append([command])
    return outcome


async def reason(world: FakeAppender, command: AnyCommand) -> RejectReason | None:
    outcome = await one(world, command)
    return outcome.reason if isinstance(outcome, Rejected) else None


async def sent(world: FakeAppender, command: AnyCommand) -> MessageSent:
    outcome = await one(world, command)
    assert isinstance(outcome, Committed), outcome
    assert isinstance(outcome.event, MessageSent)
    return outcome.event
