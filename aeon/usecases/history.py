"""Read what was said: pages, windows, readers, and the event log for catching up."""

from __future__ import annotations

from aeon.auth.principal import Principal
from aeon.errors import EdgeError
from aeon.services import Services
from aeon.wire.requests import EventsQuery, HistoryQuery
from storage import event_log, history, one_message
from storage.event_log import EventPage
from storage.history import HistoryPage, HistoryWindow
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.one_message import Readers


async def read_history(
    services: Services, principal: Principal, chat_id: ChatId, wanted: HistoryQuery
) -> HistoryPage | HistoryWindow:
    """Read messages of a chat, the oldest first; a page, or a window around a message."""
    async with services.database.connection() as conn:
        if wanted.is_window:
            found: HistoryPage | HistoryWindow | None = await history.window(
                conn,
                chat_id,
                principal.user_id,
                before_id=_message_id(wanted.before_id),
                after_id=_message_id(wanted.after_id),
                around_id=_message_id(wanted.around_id),
                limit=wanted.limit or 50,
            )
        else:
            found = await history.page(
                conn, chat_id, principal.user_id, wanted.page, wanted.per_page
            )
    if found is None:
        raise EdgeError("not_a_member")
    return found


async def read_readers(
    services: Services,
    principal: Principal,
    message_id: MessageId,
    *,
    after_id: UserId | None,
    limit: int,
) -> Readers:
    """Read who has read a message, by id."""
    async with services.database.connection() as conn:
        readers = await one_message.readers(
            conn, message_id, principal.user_id, after_id=after_id, limit=limit
        )
    if readers is None:
        raise EdgeError("message_not_found")
    return readers


async def read_events(
    services: Services, principal: Principal, chat_id: ChatId, wanted: EventsQuery
) -> EventPage:
    """Read a chat's log after a position, for a client that was away.

    Raises:
        EdgeError: ``too_far`` when the log does not reach back, or more is missing than the
            server replays; ``not_a_member``.
    """
    async with services.database.connection() as conn:
        page = await event_log.read_events_for(
            conn, chat_id, principal.user_id, Seq(wanted.after), wanted.limit
        )
    if page is None:
        raise EdgeError("not_a_member")
    behind = page.last_seq - wanted.after
    if page.too_far or behind < 0 or behind > services.settings.resume_max_events:
        raise EdgeError("too_far")
    return page


def _message_id(number: int | None) -> MessageId | None:
    return None if number is None else MessageId(number)
