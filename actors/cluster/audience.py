"""The audience: which chats have somebody connected here, and how far each was handed out.

Rules of this file:

- A chat with nobody here has no place in it; events of other nodes for it are nobody's business.
- A position only grows while the chat has its place. It outlives the chat's actor: an actor that
  wakes hands out what came since.
- It may name too much and never too little: somebody who was removed from a chat stays counted
  until they disconnect, which costs a look and delivers nothing (the chat's own picture decides
  who receives). Whoever is about to attach is counted from before their chats are looked up, and
  what passes by meanwhile is noted.
- A place is *new* until the chat's actor has made sure that nobody who was here before it was in
  the chat unnoticed (the news of their joining was lost). Until then nothing is handed out by
  it, so its position may still be put back.
- Everything is synchronous: nobody sees half of a change.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storage.ids import ChatId, Seq, UserId

MAX_PASSED: Final = 100_000
"""Chats noted while look-ups run; more are found by the next sweep."""


@dataclass(frozen=True, slots=True)
class AudienceStatistics:
    """What this node follows."""

    chats: int
    users: int
    arriving: int
    """People whose chats are being looked up."""


class Audience:
    """Positions of the chats that matter here, and who brought them."""

    def __init__(self) -> None:
        self._positions: dict[ChatId, Seq] = {}
        self._counts: dict[ChatId, int] = {}
        self._users: dict[UserId, array[int]] = {}
        self._arriving: dict[UserId, int] = {}
        self._new: dict[ChatId, int] = {}
        # Who is in a new place by the news of a joining, which may not be their first.
        self._welcomed: dict[ChatId, set[UserId]] = {}
        self._places = 0
        self._passed: dict[ChatId, Seq] = {}
        self._has_lost_track = False

    def position(self, chat_id: ChatId) -> Seq | None:
        """How far the chat was handed out here; None when nobody of it is here."""
        return self._positions.get(chat_id)

    def positions(self) -> Iterator[tuple[ChatId, Seq]]:
        """Iterate over a snapshot of all."""
        yield from tuple(self._positions.items())

    def users(self) -> list[UserId]:
        """Name everybody who is here."""
        return list(self._users)

    def new_place(self, chat_id: ChatId) -> int | None:
        """Give the number of the chat's place while it is new; None when it is not."""
        return self._new.get(chat_id)

    def confirm_place(self, chat_id: ChatId, number: int) -> None:
        """The place is right: from here on its position only grows."""
        if self._new.get(chat_id) == number:
            del self._new[chat_id]
            self._welcomed.pop(chat_id, None)

    def is_unnoticed(self, user_id: UserId, chat_id: ChatId) -> bool:
        """Whether somebody is connected here and may have joined this chat without notice.

        Nobody counted them in, or only the news of a joining did: there may be an earlier one.
        """
        if user_id not in self._users:
            return False
        return not self.follows(user_id, chat_id) or self._is_welcomed(user_id, chat_id)

    def is_here(self, user_id: UserId) -> bool:
        """Whether they are here, or about to be."""
        return user_id in self._users or user_id in self._arriving

    def follows(self, user_id: UserId, chat_id: ChatId) -> bool:
        """Whether somebody is known to be here for this chat."""
        return chat_id in self._users.get(user_id, ())

    def followers(self, chat_id: ChatId) -> list[UserId]:
        """Name those who are known to be here for a chat. Walks everybody: for rare needs."""
        return [user_id for user_id, chats in self._users.items() if chat_id in chats]

    # -- coming and going

    def expect(self, user_id: UserId) -> None:
        """Somebody is about to attach; their chats are going to be looked up."""
        self._arriving[user_id] = self._arriving.get(user_id, 0) + 1

    def unexpect(self, user_id: UserId) -> None:
        """The look-up is over, or failed."""
        left = self._arriving[user_id] - 1
        if left:
            self._arriving[user_id] = left
            return
        del self._arriving[user_id]
        if not self._arriving:
            self._passed.clear()
            self._has_lost_track = False

    def enter(
        self, user_id: UserId, found: Sequence[tuple[ChatId, Seq]]
    ) -> list[tuple[ChatId, Seq]]:
        """Count somebody in for the chats a look-up found, each with its newest ``seq`` then.

        Returns:
            Chats that are further than they were handed out here, and how far: to be caught up.
        """
        behind: list[tuple[ChatId, Seq]] = []
        followed = self._users.setdefault(user_id, array("q"))
        known = set(followed)
        for chat_id, last_seq in found:
            newest = max(last_seq, self._passed.get(chat_id, last_seq))
            if chat_id not in self._positions:
                self._place(chat_id, last_seq)
            if newest > self._positions[chat_id]:
                behind.append((chat_id, newest))
            if chat_id not in known:
                followed.append(chat_id)
                self._counts[chat_id] = self._counts.get(chat_id, 0) + 1
        return behind

    def leave(self, user_id: UserId) -> None:
        """Count somebody out; chats that nobody is here for any more lose their place."""
        for chat_id in self._users.pop(user_id, ()):
            left = self._counts[ChatId(chat_id)] - 1
            if left:
                self._counts[ChatId(chat_id)] = left
            else:
                del self._counts[ChatId(chat_id)], self._positions[ChatId(chat_id)]
                self._new.pop(ChatId(chat_id), None)
                self._welcomed.pop(ChatId(chat_id), None)

    # -- what happens in chats

    def welcome(self, chat_id: ChatId, before: Seq, user_ids: Iterable[UserId]) -> None:
        """Count in those who are here: they join with the event after ``before``."""
        for user_id in user_ids:
            is_followed = self.follows(user_id, chat_id)
            if not self.is_here(user_id):
                continue
            if is_followed and not self._is_welcomed(user_id, chat_id):
                continue
            if chat_id not in self._positions:
                self._place(chat_id, before)
            elif chat_id in self._new:
                self._positions[chat_id] = min(before, self._positions[chat_id])
            if chat_id in self._new:
                self._welcomed.setdefault(chat_id, set()).add(user_id)
            if not is_followed:
                self._follow(user_id, chat_id)

    def reached(self, chat_id: ChatId, seq: Seq) -> None:
        """Everything up to ``seq`` was handed out to those who are here."""
        position = self._positions.get(chat_id)
        if position is None:
            self.pass_by(chat_id, seq)
        elif seq > position:
            self._positions[chat_id] = seq

    def pass_by(self, chat_id: ChatId, seq: Seq) -> None:
        """Note what happened in a chat of nobody here, in case somebody is about to be."""
        if not self._arriving:
            return
        if chat_id in self._passed or len(self._passed) < MAX_PASSED:
            self._passed[chat_id] = max(seq, self._passed.get(chat_id, seq))
        else:
            self._has_lost_track = True

    @property
    def has_lost_track(self) -> bool:
        """Too much passed by during the look-ups: only a sweep can tell."""
        return self._has_lost_track

    def statistics(self) -> AudienceStatistics:
        """Count what is followed."""
        return AudienceStatistics(
            chats=len(self._positions), users=len(self._users), arriving=len(self._arriving)
        )

    def _is_welcomed(self, user_id: UserId, chat_id: ChatId) -> bool:
        return user_id in self._welcomed.get(chat_id, ())

    def _place(self, chat_id: ChatId, position: Seq) -> None:
        self._places += 1
        self._positions[chat_id] = position
        self._new[chat_id] = self._places

    def _follow(self, user_id: UserId, chat_id: ChatId) -> None:
        self._users.setdefault(user_id, array("q")).append(chat_id)
        self._counts[chat_id] = self._counts.get(chat_id, 0) + 1
