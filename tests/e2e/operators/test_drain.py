"""How a node that had to cut actors off says so."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import httpx
import pytest
import trio

from actors.services import Writing
from aeon.config import Settings
from aeon.main import run_node
from aeon.stopping import ACTORS_CUT_OFF, CUT_SHORT, Ending
from tests.helpers.clients import Rest, Server

ANNA = 1001


@pytest.mark.parametrize("is_stuck", [False, True])
async def test_a_stuck_actor_at_the_end_is_an_exit_status(
    is_stuck: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = trio.Event()

    async def hang(*_: object) -> None:
        caught.set()
        await trio.sleep_forever()

    settings = settings.model_copy(update={"shutdown_seconds": 1.0})
    stop, ending = trio.Event(), Ending()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(partial(run_node, settings, stop, ending=ending))
        async with Server(listening.url).person(ANNA) as anna:
            chat_id = await anna.create_group()
            if is_stuck:
                monkeypatch.setattr(Writing, "append", hang)
                body = {"chat_id": chat_id, "text": "never answered"}
                nursery.start_soon(_send, anna, body)
                await caught.wait()
            stop.set()
    assert ending.actors_cut_off == int(is_stuck)
    assert ending.exit_status == (ACTORS_CUT_OFF if is_stuck else 0)


async def _send(anna: Rest, body: dict[str, object]) -> None:
    with suppress(httpx.HTTPError):  # the server is going away
        await anna.request("POST", "/api/v1/messages/", json=body)


def test_being_cut_short_outweighs_it() -> None:
    assert Ending(was_cut_short=True, actors_cut_off=2).exit_status == CUT_SHORT
