"""What each change and each read of storage costs: statements and round trips, exactly.

BEGIN and COMMIT travel with the statements and are not counted. That the numbers do not grow with
rows is shown in ``test_writer`` and ``test_flat_reads``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from storage import chats, event_log, history, invitations, one_message, presence, sessions, users
from storage.commands import AnyCommand, Committed
from storage.database import Connection, Database
from storage.events import MessageSent
from storage.ids import ChatId, MessageId, Seq, UserId
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
from tests.helpers.people import add_people
from tests.helpers.writing import append_one, committed, running_writer

CHAT, OWNER, MEMBER = 1, 1, 2

# By name: the command, given the id of a message of OWNER's, and its statements: what locks and
# reads, then what writes.
COMMANDS: dict[str, tuple[Callable[[int], AnyCommand], int]] = {
    # Lock the chat, clock and ids, the sender's role; the chat, the message, the event.
    "send": (lambda _: send(CHAT, OWNER), 3 + 3),
    "send with a key": (lambda _: send(CHAT, OWNER, client_msg_id="k"), 4 + 3),
    "reply": (lambda to: send(CHAT, OWNER, reply_to_message_id=to), 4 + 3),
    "forward": (lambda of: send(CHAT, OWNER, None, forward_message_id=of), 5 + 3),
    "edit": (lambda of: edit(CHAT, OWNER, of), 4 + 3),
    "delete": (lambda of: delete(CHAT, OWNER, of), 4 + 3),
    "read up to": (lambda to: read(CHAT, MEMBER, to), 4 + 3),
    "read all": (lambda _: read(CHAT, MEMBER), 4 + 3),
    "create a group": (lambda _: create(9, OWNER, MEMBER, 3), 6 + 3),
    "create a private chat": (
        lambda _: create(9, OWNER, MEMBER, type=ChatType.PRIVATE, title=None),
        7 + 3,
    ),
    "rename": (lambda _: update(CHAT, OWNER, title="Other"), 4 + 3),
    "close": (lambda _: close(CHAT, OWNER), 3 + 3),
    "add a member": (lambda _: add(CHAT, OWNER, 4), 5 + 4),
    "remove a member": (lambda _: remove(CHAT, OWNER, MEMBER), 3 + 4),
    "promote": (lambda _: promote(CHAT, OWNER, MEMBER, Role.ADMIN), 3 + 3),
}

Read = Callable[[Connection, MessageId], Awaitable[object]]
_chat, _owner = ChatId(CHAT), UserId(OWNER)
READS: dict[str, tuple[Read, int]] = {
    "page": (lambda conn, _: history.page(conn, _chat, _owner), 2),
    "page far back": (lambda conn, _: history.page(conn, _chat, _owner, 2), 2),
    "window": (lambda conn, at: history.window(conn, _chat, _owner, around_id=at), 2),
    "one message": (lambda conn, at: one_message.get_message_for(conn, at, _owner), 1),
    "readers": (lambda conn, at: one_message.readers(conn, at, _owner), 1),
    "chat list": (lambda conn, _: chats.list_chats(conn, _owner), 1),
    "chat": (lambda conn, _: chats.get_chat(conn, _chat, _owner), 2),
    "unread": (lambda conn, _: chats.count_unread(conn, _chat, _owner), 1),
    "people to tell": (
        lambda conn, _: presence.peers_among(conn, [_owner], [UserId(MEMBER)], max_members=200),
        1,
    ),
    "actor's state": (lambda conn, _: chats.load_chat_state(conn, _chat), 1),
    # The events, then the messages they speak of.
    "log": (lambda conn, _: event_log.read_events(conn, _chat, Seq(1), 50), 2),
    "people": (lambda conn, _: users.list_users(conn), 1),
    "by name": (lambda conn, _: users.find_by_username(conn, "person1"), 1),
    "sessions": (lambda conn, _: sessions.list_active(conn, _owner), 1),
    "invitations": (lambda conn, _: invitations.list_pending(conn, "person1"), 1),
}


@pytest.fixture
async def message_id(database: Database) -> MessageId:
    await add_people(database, range(1, 6))
    async with running_writer(database) as writer:
        await append_one(writer, create(CHAT, OWNER, MEMBER, title="Team"))
        event = committed(await append_one(writer, send(CHAT, OWNER)))
    assert isinstance(event, MessageSent)
    return event.message.id


@pytest.mark.parametrize("name", COMMANDS)
async def test_changes(database: Database, message_id: MessageId, name: str) -> None:
    make, statements = COMMANDS[name]
    async with running_writer(database) as writer:
        before = database.statistics()
        assert isinstance(await append_one(writer, make(message_id)), Committed)
        after = database.statistics()
    assert after.queries - before.queries == statements
    assert after.round_trips - before.round_trips == 2
    assert after.commits - before.commits == 1


@pytest.mark.parametrize("name", READS)
async def test_reads(database: Database, message_id: MessageId, name: str) -> None:
    look, statements = READS[name]
    async with database.connection() as conn:
        before = database.statistics()
        await look(conn, message_id)
        after = database.statistics()
    assert after.queries - before.queries == statements
    assert after.transactions == before.transactions
