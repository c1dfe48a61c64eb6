"""One transaction for many commands: lock and read, decide, write and commit.

Two round trips, whatever the batch holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.commands import AnyCommand, Committed, CursorMoved, Outcome, Rejected, RejectReason
from storage.database import Database
from storage.events import DurableEvent
from storage.fact_rows import FactReader, read_facts
from storage.facts import BatchFacts, Decide
from storage.validity import find_invalid
from storage.write_plan import plan_writes


async def commit_batch(
    database: Database, decide: Decide, commands: Sequence[AnyCommand]
) -> list[Outcome]:
    """Decide every command in order and commit what they come to, all in one transaction.

    Returns one outcome per command, after the commit.

    Raises:
        Conflict: another node wrote a key between our look and our write.
        StorageError: nothing was written, except ``CommitUnknown``.
    """
    invalid = [find_invalid(command) for command in commands]
    reader = FactReader()
    for command, reason in zip(commands, invalid, strict=True):
        if reason is None:
            reader.need(command)
    if None not in invalid:
        return [_invalid(reason) for reason in invalid]
    steps = reader.steps()
    async with database.transaction("commit_batch") as conn:
        answers = await conn.fetch_many([(query, params) for query, params, _ in steps])
        facts = read_facts(steps, answers)
        outcomes, events = _decide_all(decide, commands, invalid, facts)
        writes = plan_writes(facts, events)
        if writes:
            await conn.fetch_many(writes, commit=True)
    # Chats and batch know each other: without this, only the garbage collector would free them.
    facts.chats.clear()
    return outcomes


def _decide_all(
    decide: Decide,
    commands: Sequence[AnyCommand],
    invalid: Sequence[str | None],
    facts: BatchFacts,
) -> tuple[list[Outcome], list[DurableEvent]]:
    outcomes: list[Outcome] = []
    events: list[DurableEvent] = []
    for command, reason in zip(commands, invalid, strict=True):
        if reason is not None:
            outcomes.append(_invalid(reason))
            continue
        chat = facts.chats[command.chat_id]
        decision = decide(chat, command, facts.now)
        if isinstance(decision, tuple):
            for event in decision:
                chat.apply(event)
            events += decision
            outcomes.append(Committed(decision))
        else:
            if isinstance(decision, CursorMoved):
                chat.move_cursor(command.actor_id, decision.message_id, decision.read_seq)
            outcomes.append(decision)
    return outcomes, events


def _invalid(reason: str | None) -> Rejected:
    return Rejected(RejectReason.INVALID_DATA, reason or "")
