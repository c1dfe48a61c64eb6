"""The rules, one by one, without a database."""

from datetime import timedelta
from itertools import product

import pytest

from storage.commands import (
    Committed,
    CursorMoved,
    Duplicate,
    Rejected,
    Unchanged,
)
from storage.events import (
    ChatDeleted,
    MessageSent,
)
from storage.records import MediaRecord, Role
from tests.helpers.chat_world import (
    ADMIN,
    CHANNEL,
    GROUP,
    MEMBER,
    NOBODY,
    NOTES,
    OTHER,
    OWNER,
    PAIR,
    REASONS,
    STRANGER,
    one,
    reason,
    sent,
)
from tests.helpers.commands import (
    add,
    close,
    delete,
    edit,
    promote,
    read,
    remove,
    send,
    update,
)
from tests.helpers.fake_appender import FakeAppender

RIGHTS = {
    # What is done, and who may do it.
    "post in a group": (lambda who: send(GROUP, who), {OWNER, ADMIN, MEMBER}),
    "post in a channel": (lambda who: send(CHANNEL, who), {OWNER, ADMIN}),
    "read": (lambda who: read(GROUP, who), {OWNER, ADMIN, MEMBER}),
    "rename": (lambda who: update(GROUP, who, title="x"), {OWNER, ADMIN}),
    "close": (lambda who: close(GROUP, who), {OWNER}),
    "add": (lambda who: add(GROUP, who, 8), {OWNER, ADMIN}),
    "add an admin": (lambda who: add(GROUP, who, 8, role=Role.ADMIN), {OWNER}),
    "remove a member": (lambda who: remove(GROUP, who, OTHER), {OWNER, ADMIN}),
    "remove an admin": (lambda who: remove(GROUP, who, ADMIN), {OWNER, ADMIN}),
    "remove the owner": (lambda who: remove(GROUP, who, OWNER), set()),
    "promote": (lambda who: promote(GROUP, who, OTHER, Role.ADMIN), {OWNER}),
    "hand over": (lambda who: promote(GROUP, who, OTHER, Role.OWNER), {OWNER}),
    "demote an admin": (lambda who: promote(GROUP, who, ADMIN, Role.MEMBER), {OWNER}),
}


@pytest.mark.parametrize(
    ("deed", "who"), list(product(RIGHTS, (OWNER, ADMIN, MEMBER, STRANGER, NOBODY)))
)
async def test_rights(world: FakeAppender, deed: str, who: int) -> None:
    command, allowed = RIGHTS[deed]
    outcome = await one(world, command(who))

    assert (not isinstance(outcome, Rejected)) == (who in allowed)
    if isinstance(outcome, Rejected) and who in (STRANGER, NOBODY):
        assert outcome.reason is REASONS.NOT_A_MEMBER


@pytest.mark.parametrize("deed", RIGHTS)
async def test_a_stranger_can_not_tell_whether_a_chat_exists(
    world: FakeAppender, deed: str
) -> None:
    command = RIGHTS[deed][0](STRANGER)
    nowhere = type(command)(
        **{
            name: getattr(command, name)
            for cls in type(command).__mro__
            for name in getattr(cls, "__slots__", ())
        }
        | {"chat_id": 777}
    )

    assert await one(world, command) == await one(world, nowhere)


@pytest.mark.parametrize("deed", [deed for deed in RIGHTS if deed != "close"])
async def test_a_closed_chat_refuses_every_write(world: FakeAppender, deed: str) -> None:
    for chat in (GROUP, CHANNEL):
        assert await reason(world, close(chat, OWNER)) is None

    assert await reason(world, RIGHTS[deed][0](OWNER)) is REASONS.CHAT_DELETED


async def test_closing_twice_changes_nothing(world: FakeAppender) -> None:
    first = await one(world, close(GROUP, OWNER))

    assert isinstance(first, Committed)
    assert isinstance(first.event, ChatDeleted)
    assert await one(world, close(GROUP, OWNER)) == Unchanged()
    assert await reason(world, close(GROUP, ADMIN)) is REASONS.NOT_ALLOWED


class TestMessages:
    async def test_a_key_sent_again_is_answered_with_the_first_message(
        self, world: FakeAppender
    ) -> None:
        first = await sent(world, send(GROUP, MEMBER, "one", client_msg_id="k"))

        assert await one(world, send(GROUP, MEMBER, "two", client_msg_id="k")) == Duplicate(first)

    async def test_the_key_belongs_to_its_sender(self, world: FakeAppender) -> None:
        await sent(world, send(GROUP, MEMBER, client_msg_id="k"))

        await sent(world, send(GROUP, OTHER, client_msg_id="k"))

    async def test_the_key_in_another_chat_is_refused(self, world: FakeAppender) -> None:
        await sent(world, send(GROUP, MEMBER, client_msg_id="k"))

        command = send(PAIR, MEMBER, client_msg_id="k")
        assert await reason(world, command) is REASONS.CLIENT_MSG_ID_REUSED

    async def test_one_who_left_still_gets_the_answer_to_a_retry(self, world: FakeAppender) -> None:
        first = await sent(world, send(GROUP, MEMBER, client_msg_id="k"))
        await one(world, remove(GROUP, MEMBER, MEMBER))

        assert await one(world, send(GROUP, MEMBER, client_msg_id="k")) == Duplicate(first)
        assert await reason(world, send(GROUP, MEMBER)) is REASONS.NOT_A_MEMBER

    async def test_a_duplicate_shows_the_message_as_it_stands(self, world: FakeAppender) -> None:
        first = await sent(world, send(GROUP, MEMBER, "secret", client_msg_id="k"))
        await one(world, delete(GROUP, MEMBER, first.message.id))

        again = await one(world, send(GROUP, MEMBER, "secret", client_msg_id="k"))
        assert isinstance(again, Duplicate)
        assert isinstance(again.event, MessageSent)
        assert again.event.message.is_deleted
        assert again.event.message.text is None

    async def test_a_reply_points_into_the_same_chat(self, world: FakeAppender) -> None:
        here = (await sent(world, send(GROUP, MEMBER))).message.id
        there = (await sent(world, send(PAIR, MEMBER))).message.id

        reply = await sent(world, send(GROUP, OTHER, reply_to_message_id=here))
        assert reply.message.reply_to_message_id == here
        for target in (there, 12345):
            command = send(GROUP, MEMBER, reply_to_message_id=target)
            assert await reason(world, command) is REASONS.REPLY_NOT_FOUND

    async def test_no_reply_to_a_deleted_message(self, world: FakeAppender) -> None:
        gone = (await sent(world, send(GROUP, MEMBER))).message.id
        await one(world, delete(GROUP, MEMBER, gone))

        command = send(GROUP, MEMBER, reply_to_message_id=gone)
        assert await reason(world, command) is REASONS.REPLY_NOT_FOUND

    async def test_only_ones_own_media(self, world: FakeAppender) -> None:
        world.facts.media["m"] = media("m", uploader=MEMBER)

        event = await sent(world, send(GROUP, MEMBER, None, media_id="m"))
        assert event.message.message_type == "photo"
        assert event.message.media is not None
        for who, name in ((OTHER, "m"), (MEMBER, "unknown")):
            command = send(GROUP, who, None, media_id=name)
            assert await reason(world, command) is REASONS.MEDIA_NOT_FOUND

    async def test_a_forward_copies_content_and_origin(self, world: FakeAppender) -> None:
        source = await sent(world, send(GROUP, OTHER, "words"))
        copy = await sent(world, send(PAIR, MEMBER, None, forward_message_id=source.message.id))
        again = await sent(world, send(GROUP, OWNER, None, forward_message_id=copy.message.id))

        for event in (copy, again):
            assert event.message.text == "words"
            assert event.message.forward_from_user_id == OTHER
            assert event.message.forward_from_chat_id == GROUP
        assert again.message.sender.id == OWNER

    async def test_a_copy_outlives_its_source(self, world: FakeAppender) -> None:
        source = await sent(world, send(GROUP, OTHER, "words"))
        copy = await sent(world, send(PAIR, MEMBER, None, forward_message_id=source.message.id))
        await one(world, delete(GROUP, OTHER, source.message.id))

        assert world.facts.messages[copy.message.id].text == "words"
        command = send(PAIR, MEMBER, None, forward_message_id=source.message.id)
        assert await reason(world, command) is REASONS.MESSAGE_NOT_FOUND

    async def test_no_forward_from_a_chat_one_can_not_read(self, world: FakeAppender) -> None:
        source = (await sent(world, send(PAIR, MEMBER))).message.id

        for message, refusal in (
            (source, REASONS.NOT_A_MEMBER),
            (4242, REASONS.MESSAGE_NOT_FOUND),
        ):
            command = send(GROUP, OTHER, None, forward_message_id=message)
            assert await reason(world, command) is refusal

    @pytest.mark.parametrize("who", [OWNER, ADMIN, OTHER])
    async def test_only_the_author_edits(self, world: FakeAppender, who: int) -> None:
        message = (await sent(world, send(GROUP, MEMBER))).message.id

        assert await reason(world, edit(GROUP, who, message)) is REASONS.MESSAGE_NOT_FOUND
        assert await reason(world, edit(GROUP, MEMBER, message)) is None

    async def test_nobody_edits_words_of_another_in_a_copy(self, world: FakeAppender) -> None:
        source = await sent(world, send(GROUP, OTHER, "words"))
        copy = await sent(world, send(PAIR, MEMBER, None, forward_message_id=source.message.id))

        assert await reason(world, edit(PAIR, MEMBER, copy.message.id)) is REASONS.NOT_ALLOWED

    async def test_an_edited_caption_is_no_longer_than_a_new_one(self, world: FakeAppender) -> None:
        world.facts.media["m"] = media("m", uploader=MEMBER)
        text = (await sent(world, send(GROUP, MEMBER))).message.id
        file = (await sent(world, send(GROUP, MEMBER, "caption", media_id="m"))).message.id

        assert await reason(world, edit(GROUP, MEMBER, text, "x" * 1025)) is None
        assert await reason(world, edit(GROUP, MEMBER, file, "x" * 1024)) is None
        assert await reason(world, edit(GROUP, MEMBER, file, "x" * 1025)) is REASONS.INVALID_DATA

    @pytest.mark.parametrize("blank", ["", " \n"])
    async def test_a_file_alone_may_lose_its_words(self, world: FakeAppender, blank: str) -> None:
        world.facts.media["m"] = media("m", uploader=MEMBER)
        text = (await sent(world, send(GROUP, MEMBER))).message.id
        file = (await sent(world, send(GROUP, MEMBER, "caption", media_id="m"))).message.id

        assert await reason(world, edit(GROUP, MEMBER, text, blank)) is REASONS.INVALID_DATA
        assert await reason(world, edit(GROUP, MEMBER, file, blank)) is None
        assert world.facts.messages[file].text is None
        assert world.facts.messages[file].media is not None
        assert await reason(world, edit(GROUP, MEMBER, file, "again")) is None

    async def test_edits_end_with_their_window(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, MEMBER))).message.id
        window = timedelta(hours=48)

        assert await reason(world, edit(GROUP, MEMBER, message, edit_window=window)) is None
        world.pass_time(window)
        late = edit(GROUP, MEMBER, message, edit_window=window)
        assert await reason(world, late) is REASONS.EDIT_WINDOW_PASSED

    @pytest.mark.parametrize(
        ("who", "is_allowed"), [(OWNER, True), (ADMIN, True), (MEMBER, True), (OTHER, False)]
    )
    async def test_who_deletes(self, world: FakeAppender, who: int, *, is_allowed: bool) -> None:
        message = (await sent(world, send(GROUP, MEMBER))).message.id

        refusal = await reason(world, delete(GROUP, who, message))
        assert refusal is (None if is_allowed else REASONS.MESSAGE_NOT_FOUND)

    async def test_what_is_deleted_can_not_be_touched(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, MEMBER))).message.id
        await one(world, delete(GROUP, MEMBER, message))

        assert await reason(world, delete(GROUP, MEMBER, message)) is REASONS.MESSAGE_NOT_FOUND
        assert await reason(world, edit(GROUP, MEMBER, message)) is REASONS.MESSAGE_NOT_FOUND

    async def test_a_message_is_not_reached_through_another_chat(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, MEMBER))).message.id

        for command in (
            edit(PAIR, MEMBER, message),
            delete(PAIR, MEMBER, message),
            read(PAIR, MEMBER, message),
        ):
            assert await reason(world, command) is REASONS.MESSAGE_NOT_FOUND


class TestReading:
    async def test_the_cursor_only_moves_forward(self, world: FakeAppender) -> None:
        first = await sent(world, send(GROUP, OTHER))
        second = await sent(world, send(GROUP, OTHER))

        assert isinstance(await one(world, read(GROUP, MEMBER, second.message.id)), Committed)
        assert await one(world, read(GROUP, MEMBER, first.message.id)) == Unchanged()
        assert await one(world, read(GROUP, MEMBER)) == Unchanged()
        assert world.facts.chats[GROUP].members[MEMBER].read_seq == second.seq

    async def test_silent_reading_moves_the_cursor_without_an_event(
        self, world: FakeAppender
    ) -> None:
        first = await sent(world, send(GROUP, OTHER))
        second = await sent(world, send(GROUP, OTHER))
        before = world.facts.chats[GROUP].last_seq

        moved = await one(world, read(GROUP, MEMBER, first.message.id, is_silent=True))
        rest = await one(world, read(GROUP, MEMBER, is_silent=True))
        again = await one(world, read(GROUP, MEMBER, first.message.id, is_silent=True))

        assert moved == CursorMoved(first.message.id, first.seq)
        assert rest == CursorMoved(second.message.id, second.seq)
        assert again == Unchanged()
        assert world.facts.chats[GROUP].last_seq == before
        assert world.facts.chats[GROUP].members[MEMBER].read_seq == second.seq

    async def test_silent_reading_is_no_right(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, OTHER))).message.id

        for command in (
            read(GROUP, STRANGER, message, is_silent=True),
            read(PAIR, MEMBER, message, is_silent=True),
        ):
            assert isinstance(await one(world, command), Rejected)

    async def test_reading_nothing(self, world: FakeAppender) -> None:
        assert await one(world, read(NOTES, OWNER)) == Unchanged()

    async def test_a_deleted_message_marks_a_place(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, OTHER))).message.id
        await one(world, delete(GROUP, OTHER, message))

        assert isinstance(await one(world, read(GROUP, MEMBER, message)), Committed)

    async def test_what_came_before_joining_is_read(self, world: FakeAppender) -> None:
        message = (await sent(world, send(GROUP, OTHER))).message.id
        await one(world, add(GROUP, OWNER, 8))

        assert await one(world, read(GROUP, 8, message)) == Unchanged()


def media(name: str, *, uploader: int) -> MediaRecord:
    return MediaRecord(
        id=name,
        uploader_id=uploader,
        message_type="photo",
        media_type="image/png",
        size_bytes=1,
        duration_seconds=None,
        width=None,
        height=None,
        filename=None,
    )
