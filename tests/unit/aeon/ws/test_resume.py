from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.delivery.frame import Frame
from actors.delivery.session import Session
from aeon.ws.resume import Resume
from storage import chats
from storage.errors import Unavailable
from storage.ids import ChatId, Seq, UserId
from tests.helpers.transports import RecordingTransport

CHAT = ChatId(5)


class NoDatabase:
    """Services of a node, as far as a resume without a replay needs them."""

    @property
    def database(self) -> NoDatabase:
        return self

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        yield


def frame(seq: int) -> Frame:
    return Frame(f"{seq}".encode(), CHAT, Seq(seq))


def make() -> tuple[Resume, Session, RecordingTransport]:
    transport = RecordingTransport()
    session = Session(
        session_id="s1",
        user_id=UserId(1),
        transport=transport,
        on_close=lambda _reason: None,
        hold_all=True,
    )
    services: Any = NoDatabase()
    return Resume(services, session), session, transport


def looking(patch: pytest.MonkeyPatch, look: Callable[[], Awaitable[Any]]) -> None:
    async def standings_of(_conn: object, _user_id: UserId, _named: object) -> Any:
        return await look()

    patch.setattr(chats, "standings_of", standings_of)


async def test_who_did_not_resume_gets_events_live_after_all() -> None:
    resume, session, transport = make()

    resume.wait_no_longer()
    session.deliver([frame(1)])

    assert transport.payloads == [b"1"]


async def test_nothing_goes_live_while_the_promised_resume_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else an event would come before the ones that were held back before it."""
    resume, session, transport = make()

    async def look() -> Any:
        session.deliver([frame(1)])
        resume.wait_no_longer()
        session.deliver([frame(2)])
        return {CHAT: chats.Standing(Seq(2), Seq(2))}

    looking(monkeypatch, look)
    report = await resume.run({})
    session.deliver([frame(3)])

    assert report.resync == [CHAT]
    assert transport.payloads == [b"3"]


async def test_the_wait_ends_with_a_resume_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    resume, session, transport = make()

    async def look() -> Any:
        resume.wait_no_longer()
        raise Unavailable("away")

    looking(monkeypatch, look)
    with pytest.raises(Unavailable):
        await resume.run({})
    session.deliver([frame(1)])

    assert transport.payloads == [b"1"]
