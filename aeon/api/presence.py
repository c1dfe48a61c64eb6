"""Who is there, over REST: the picture that ``user_status`` events go on from."""

from __future__ import annotations

from typing import Final

from aeon.api.route import Answer, Call, Route
from aeon.limits import Kind
from aeon.usecases.presence import who_is_online
from aeon.wire import schemas


async def _get_online(call: Call) -> Answer:
    """Name the members of a chat who are online, but for those who hide it.

    Ask when you show a chat; from then on `user_status` tells of changes, in chats of up to 200
    members.
    """
    found = await who_is_online(call.services, call.principal, call.chat_id)
    return Answer({"online": found})


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/chats/{chat_id}/online",
        handler=_get_online,
        summary="See who is online",
        tag="chats",
        returns=schemas.OnlineAnswer,
        rate=Kind.READ,
        errors=("not_a_member",),
        example={"online": [700001, 700002]},
    ),
)
