"""The rules of making chats, their profile and their members, without a database."""

from datetime import timedelta

import pytest

from storage.commands import (
    AlreadyExists,
    Committed,
    Unchanged,
)
from storage.events import (
    ChatCreated,
    ChatDeleted,
    ChatUpdated,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
)
from storage.records import ChatType, Role
from tests.helpers.chat_world import (
    ADMIN,
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
)
from tests.helpers.commands import (
    add,
    close,
    create,
    promote,
    remove,
    send,
    update,
)
from tests.helpers.fake_appender import FakeAppender


class TestCreating:
    async def test_skips_oneself_repeats_and_unknown_people(self, world: FakeAppender) -> None:
        outcome = await one(world, create(60, OWNER, OWNER, MEMBER, MEMBER, NOBODY))

        assert isinstance(outcome, Committed)
        assert isinstance(outcome.event, ChatCreated)
        assert outcome.event.seq == 1
        assert [(m.user.id, m.role) for m in outcome.event.members] == [
            (OWNER, Role.OWNER),
            (MEMBER, Role.MEMBER),
        ]

    async def test_a_pair_has_one_private_chat(self, world: FakeAppender) -> None:
        for who, other in ((OWNER, MEMBER), (MEMBER, OWNER)):
            command = create(61, who, other, type=ChatType.PRIVATE, title=None)
            assert await one(world, command) == AlreadyExists(PAIR)

    async def test_closing_it_frees_the_pair(self, world: FakeAppender) -> None:
        await one(world, close(PAIR, MEMBER))

        outcome = await one(world, create(61, OWNER, MEMBER, type=ChatType.PRIVATE))
        assert isinstance(outcome, Committed)

    async def test_both_of_a_pair_are_owners(self, world: FakeAppender) -> None:
        roles = {member.role for member in world.facts.chats[PAIR].members.values()}

        assert roles == {Role.OWNER}

    async def test_a_private_chat_of_three_is_refused(self, world: FakeAppender) -> None:
        command = create(61, OWNER, MEMBER, OTHER, type=ChatType.PRIVATE)

        assert await reason(world, command) is REASONS.PRIVATE_CHAT_FULL

    async def test_a_repeated_creation_finds_the_first(self, world: FakeAppender) -> None:
        command = create(61, OWNER, MEMBER, title="Trip")
        await one(world, command)

        assert await one(world, create(62, OWNER, MEMBER, title="Trip")) == AlreadyExists(
            command.chat_id
        )
        for other in (
            create(63, OWNER, MEMBER, title="Other"),
            create(64, OWNER, OTHER, title="Trip"),
            create(65, MEMBER, OWNER, title="Trip"),
            create(66, OWNER, MEMBER, title="Trip", type=ChatType.CHANNEL),
        ):
            assert isinstance(await one(world, other), Committed)

    async def test_a_chat_in_which_something_happened_is_no_retry(
        self, world: FakeAppender
    ) -> None:
        await one(world, create(61, OWNER, MEMBER, title="Trip"))
        await one(world, send(61, OWNER))

        assert isinstance(await one(world, create(62, OWNER, MEMBER, title="Trip")), Committed)

    async def test_a_client_waits_a_minute_for_each_of_three_answers(
        self, world: FakeAppender
    ) -> None:
        """Fault: who is cut off waits for a minute, asks again, and gets a second chat."""
        first = create(61, OWNER, MEMBER, title="Trip")
        await one(world, first)
        for number, seconds in ((62, 61), (63, 62 + 60)):
            world.pass_time(timedelta(seconds=seconds))
            retry = create(number, OWNER, MEMBER, title="Trip")
            assert await one(world, retry) == AlreadyExists(first.chat_id)

    async def test_later_it_is_no_retry(self, world: FakeAppender) -> None:
        await one(world, create(61, OWNER, MEMBER, title="Trip"))
        world.pass_time(timedelta(minutes=4, seconds=1))

        assert isinstance(await one(world, create(62, OWNER, MEMBER, title="Trip")), Committed)

    async def test_an_unknown_creator_is_refused(self, world: FakeAppender) -> None:
        assert await reason(world, create(61, NOBODY)) is REASONS.USER_NOT_FOUND

    async def test_a_taken_id(self, world: FakeAppender) -> None:
        assert await one(world, create(GROUP, OWNER)) == AlreadyExists(GROUP)
        assert await reason(world, create(GROUP, MEMBER)) is REASONS.INVALID_DATA


class TestProfile:
    async def test_unchanged(self, world: FakeAppender) -> None:
        assert await one(world, update(GROUP, OWNER, title="Team")) == Unchanged()
        assert await one(world, update(GROUP, OWNER)) == Unchanged()

    async def test_the_event_shows_chat_and_members(self, world: FakeAppender) -> None:
        outcome = await one(world, update(GROUP, OWNER, description="d", photo_url="p"))

        assert isinstance(outcome, Committed)
        assert isinstance(outcome.event, ChatUpdated)
        assert (outcome.event.chat.title, outcome.event.chat.description) == ("Team", "d")
        assert outcome.event.chat.last_seq == outcome.event.seq
        assert len(outcome.event.members) == 4

    @pytest.mark.parametrize("title", ["", None])
    async def test_a_group_keeps_a_title(self, world: FakeAppender, title: str | None) -> None:
        assert await reason(world, update(GROUP, OWNER, title=title)) is REASONS.INVALID_DATA
        assert await reason(world, update(NOTES, OWNER, title=title)) is None


class TestMembership:
    async def test_refusals_of_adding(self, world: FakeAppender) -> None:
        for command, refusal in (
            (add(GROUP, OWNER, NOBODY), REASONS.USER_NOT_FOUND),
            (add(GROUP, OWNER, MEMBER), REASONS.ALREADY_A_MEMBER),
            (add(PAIR, OWNER, OTHER), REASONS.PRIVATE_CHAT_FULL),
            (add(GROUP, OWNER, 8, max_members=4), REASONS.CHAT_FULL),
            (add(GROUP, OWNER, 8, role=Role.OWNER), REASONS.NOT_ALLOWED),
        ):
            assert await reason(world, command) is refusal

    async def test_notes_become_a_group_when_somebody_is_added(self, world: FakeAppender) -> None:
        outcome = await one(world, add(NOTES, OWNER, MEMBER))

        assert isinstance(outcome, Committed)
        updated, added = outcome.events
        assert isinstance(updated, ChatUpdated)
        assert updated.chat.type is ChatType.GROUP
        assert isinstance(added, MemberAdded)
        assert (updated.seq, added.seq) == (2, 3)

    async def test_an_invitation_needs_no_inviter_any_more(self, world: FakeAppender) -> None:
        await one(world, remove(GROUP, OWNER, ADMIN))

        assert await reason(world, add(GROUP, ADMIN, 8, by_invitation=True)) is None
        assert await reason(world, add(777, ADMIN, 8, by_invitation=True)) is REASONS.NOT_A_MEMBER
        await one(world, close(GROUP, OWNER))
        late = add(GROUP, ADMIN, 7, by_invitation=True)
        assert await reason(world, late) is REASONS.CHAT_DELETED

    async def test_refusals_of_removing(self, world: FakeAppender) -> None:
        for command, refusal in (
            (remove(GROUP, OWNER, STRANGER), REASONS.MEMBER_NOT_FOUND),
            (remove(GROUP, OWNER, OWNER), REASONS.OWNER_MUST_TRANSFER),
            (remove(GROUP, ADMIN, OWNER), REASONS.NOT_ALLOWED),
            (remove(PAIR, OWNER, OWNER), REASONS.NOT_ALLOWED),
            (remove(PAIR, OWNER, MEMBER), REASONS.NOT_ALLOWED),
        ):
            assert await reason(world, command) is refusal

    async def test_an_admin_can_not_remove_another_admin(self, world: FakeAppender) -> None:
        await one(world, promote(GROUP, OWNER, OTHER, Role.ADMIN))

        assert await reason(world, remove(GROUP, ADMIN, OTHER)) is REASONS.NOT_ALLOWED

    async def test_leaving(self, world: FakeAppender) -> None:
        outcome = await one(world, remove(GROUP, MEMBER, MEMBER))

        assert isinstance(outcome, Committed)
        assert isinstance(outcome.event, MemberRemoved)
        assert await reason(world, send(GROUP, MEMBER)) is REASONS.NOT_A_MEMBER

    async def test_the_last_to_leave_closes_the_chat(self, world: FakeAppender) -> None:
        for who in (ADMIN, MEMBER, OTHER):
            await one(world, remove(GROUP, who, who))
        outcome = await one(world, remove(GROUP, OWNER, OWNER))

        assert isinstance(outcome, Committed)
        assert isinstance(outcome.event, ChatDeleted)

    async def test_handing_over_is_two_events_in_one(self, world: FakeAppender) -> None:
        outcome = await one(world, promote(GROUP, OWNER, MEMBER, Role.OWNER))

        assert isinstance(outcome, Committed)
        assert [
            (event.user_id, event.role)
            for event in outcome.events
            if isinstance(event, MemberUpdated)
        ] == [(OWNER, Role.ADMIN), (MEMBER, Role.OWNER)]
        assert await reason(world, remove(GROUP, OWNER, OWNER)) is None

    async def test_refusals_of_roles(self, world: FakeAppender) -> None:
        for command, refusal in (
            (promote(PAIR, OWNER, MEMBER, Role.ADMIN), REASONS.NOT_ALLOWED),
            (promote(GROUP, OWNER, STRANGER, Role.ADMIN), REASONS.MEMBER_NOT_FOUND),
            (promote(GROUP, OWNER, OWNER, Role.ADMIN), REASONS.OWNER_MUST_TRANSFER),
        ):
            assert await reason(world, command) is refusal
        assert await one(world, promote(GROUP, OWNER, ADMIN, Role.ADMIN)) == Unchanged()
