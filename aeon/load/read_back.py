"""Fetches event logs and histories over REST and holds a run's evidence against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from aeon.load.log_check import check_cursors, check_history, check_log, facts_of_events
from aeon.load.plan import ChatPlan
from aeon.load.stage import Stage
from aeon.load.verdict import Evidence, Verdict

_CHATS_AT_ONCE: Final = 4


async def compare_with_server(
    stage: Stage, run: str, chats: Sequence[ChatPlan], evidence: Evidence
) -> Verdict:
    """Compare every chat of the run, as its owner sees it.

    Raises:
        LoadFault: the server refused, or stopped answering.
    """
    verdict = Verdict()
    limiter = trio.CapacityLimiter(_CHATS_AT_ONCE)

    async def compare(chat: ChatPlan) -> None:
        async with limiter:
            owner = chat.members[0]
            events = await stage.read_events(owner, chat.chat_id)
            log = facts_of_events(run, events)
            history = await stage.read_history(owner, chat.chat_id)
        verdict.add(check_cursors(chat.chat_id, events))
        verdict.add(check_log(chat.chat_id, log, evidence))
        verdict.add(check_history(chat.chat_id, log, history))

    async with trio.open_nursery() as nursery:
        for chat in chats:
            nursery.start_soon(compare, chat)
    return verdict
