"""People who share chats, without a database: what presence asks, answered from memory."""

from collections.abc import Callable, Collection, Sequence

import trio

from storage.errors import Unavailable
from storage.ids import UserId


class FakeAcquaintances:
    """Everybody shares a chat with everybody, unless ``know_each_other`` says otherwise."""

    def __init__(self, know_each_other: Callable[[int, int], bool] = lambda _a, _b: True) -> None:
        self.know_each_other = know_each_other
        self.seen: list[int] = []
        self.look_ups = 0
        self.is_away = False

    async def note_seen(self, user_ids: Collection[UserId]) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise Unavailable("away")
        self.seen.extend(user_ids)

    async def among(
        self, user_ids: Sequence[UserId], candidates: Sequence[UserId]
    ) -> list[tuple[UserId, UserId]]:
        await trio.lowlevel.checkpoint()
        self.look_ups += 1
        if self.is_away:
            raise Unavailable("away")
        return [
            (one, other)
            for one in user_ids
            for other in candidates
            if one != other and self.know_each_other(one, other)
        ]
