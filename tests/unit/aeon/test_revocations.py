"""Revocations while the database is away: looked for again, and found once it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio

from actors.delivery.fanout import Fanout
from actors.delivery.session import CloseReason, Session
from aeon.logins import Logins
from aeon.revocations import LOOK_SECONDS, Revocations
from storage import sessions
from storage.database import Database
from storage.errors import Unavailable
from storage.ids import UserId
from tests.helpers.transports import RecordingTransport


class FakeLogins:
    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def forget(self, user_id: UserId) -> None:
        self.forgotten.append(user_id)


class FakeDatabase:
    def __init__(self) -> None:
        self.is_away = True
        self.looks = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        self.looks += 1
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise Unavailable("away")
        yield


async def test_what_was_revoked_while_the_database_was_away_is_found_later(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def revoked_among(_conn: object, ids: Sequence[str]) -> set[str]:
        await trio.lowlevel.checkpoint()
        return {"gone"} & set(ids)

    monkeypatch.setattr(sessions, "revoked_among", revoked_among)
    ended: list[CloseReason] = []
    fanout, logins, database = Fanout(), FakeLogins(), FakeDatabase()
    for credential in ("gone", "kept", None):
        session = Session(
            session_id=f"session {credential}",
            user_id=UserId(1),
            transport=RecordingTransport(),
            on_close=ended.append,
            credential_id=credential,
        )
        fanout.attach(session)
    revocations = Revocations(cast("Logins", logins), fanout, cast("Database", database), bus=None)
    await nursery.start(revocations.run)
    await trio.sleep(3.5 * LOOK_SECONDS)
    assert (database.looks, ended) == (3, [])
    database.is_away = False
    await trio.sleep(LOOK_SECONDS)
    assert ended == [CloseReason.REVOKED]
    assert logins.forgotten == [1]
    assert revocations.statistics().found == 1
    nursery.cancel_scope.cancel()
