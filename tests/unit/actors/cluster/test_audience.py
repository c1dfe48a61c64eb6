"""The audience: places, positions, and what passes by while people arrive."""

from __future__ import annotations

from actors.cluster.audience import Audience
from storage.ids import ChatId, Seq, UserId

ANNA, BEN, CARA = UserId(1), UserId(2), UserId(3)
CHAT, OTHER = ChatId(10), ChatId(11)


def enter(audience: Audience, user: UserId, *chats: tuple[ChatId, int]) -> list[tuple[int, int]]:
    found = [(chat, Seq(seq)) for chat, seq in chats]
    return [(int(chat), int(seq)) for chat, seq in audience.enter(user, found)]


def test_a_chat_has_a_place_while_somebody_is_here() -> None:
    audience = Audience()
    assert enter(audience, ANNA, (CHAT, 5)) == []
    assert enter(audience, BEN, (CHAT, 5), (OTHER, 1)) == []
    assert audience.position(CHAT) == 5
    audience.leave(ANNA)
    assert audience.position(CHAT) == 5
    audience.leave(BEN)
    audience.leave(BEN)
    assert audience.position(CHAT) is None
    assert audience.statistics().chats == audience.statistics().users == 0


def test_positions_only_grow() -> None:
    audience = Audience()
    enter(audience, ANNA, (CHAT, 5))
    audience.reached(CHAT, Seq(7))
    audience.reached(CHAT, Seq(6))
    assert audience.position(CHAT) == 7


def test_who_arrives_later_finds_that_the_chat_is_behind() -> None:
    audience = Audience()
    enter(audience, ANNA, (CHAT, 5))
    assert enter(audience, BEN, (CHAT, 8)) == [(10, 8)]
    assert audience.position(CHAT) == 5


def test_what_passes_by_during_a_look_up_is_caught_up() -> None:
    audience = Audience()
    audience.pass_by(CHAT, Seq(4))
    audience.expect(ANNA)
    audience.pass_by(CHAT, Seq(6))
    audience.reached(OTHER, Seq(3))
    assert enter(audience, ANNA, (CHAT, 5), (OTHER, 2)) == [(10, 6), (11, 3)]
    audience.unexpect(ANNA)
    assert enter(audience, BEN, (CHAT, 6)) == [(10, 6)]


def test_only_those_who_are_here_are_welcome() -> None:
    audience = Audience()
    audience.welcome(CHAT, Seq(2), [ANNA])
    assert audience.position(CHAT) is None
    audience.expect(ANNA)
    audience.welcome(CHAT, Seq(2), [ANNA, BEN])
    assert audience.position(CHAT) == 2
    assert audience.follows(ANNA, CHAT)
    assert not audience.follows(BEN, CHAT)


def test_a_new_place_may_be_put_back_and_a_confirmed_one_not() -> None:
    audience = Audience()
    enter(audience, ANNA, (CHAT, 9))
    enter(audience, BEN)
    enter(audience, CARA)
    place = audience.new_place(CHAT)
    assert place is not None
    assert audience.is_unnoticed(BEN, CHAT)
    audience.welcome(CHAT, Seq(3), [BEN])
    assert audience.position(CHAT) == 3
    audience.confirm_place(CHAT, place)
    audience.welcome(CHAT, Seq(1), [CARA])
    assert audience.position(CHAT) == 3
    for user in (ANNA, BEN, CARA):
        audience.leave(user)
    enter(audience, ANNA, (CHAT, 9))
    audience.confirm_place(CHAT, place)
    assert audience.new_place(CHAT) is not None
