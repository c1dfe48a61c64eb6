"""Handling one thing: a message, a batch of them, an item of the system lane.

An asker gets the answer, a `Refusal` or what it is told of a batch that forgot it; an error goes
on to `runner`, which decides. Each function returns when the handler was done, so that the clock
is read once per message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.runtime.actor import Actor, handles_batches
from actors.runtime.call import Call, current_call
from actors.runtime.cell import Cell
from actors.runtime.dead_letters import DeadLetterReason
from actors.runtime.delivery import Delivery
from actors.runtime.errors import ActorFailed, Refusal
from actors.runtime.failures import opened
from actors.runtime.lane import Inspection, LaneItem, Pipe, Watch
from actors.runtime.recorder import FlightOutcome
from actors.runtime.signals import Terminated


async def handle_item(
    cell: Cell, actor: Actor[Any], item: LaneItem, base: Call | None, now: float
) -> float:
    """Handle one item of the system lane, if it still concerns this incarnation."""
    if isinstance(item, Inspection):
        item.answer(actor)
        return now
    if not cell.claim(item):
        return now
    current_call.set(base)  # also for what maps the outcome of a pipe
    if isinstance(item, Watch):
        # If cancelled here: a hard stop; the news is lost with its reader.
        await actor.on_terminated(Terminated(item.address, item.reason))
        return cell.kind.environment.clock()
    message = item.message() if isinstance(item, Pipe) else item.message
    delivery: Delivery[object] = Delivery(message)
    delivery.sent_at = now
    cell.accepted += 1
    if handles_batches(actor):
        return await handle_batch(cell, actor, [delivery], base, now)
    return await handle(cell, actor, delivery, base, now)


async def handle(
    cell: Cell, actor: Actor[Any], delivery: Delivery[object], base: Call | None, now: float
) -> float:
    """Handle one message. Returns when it ended."""
    slot = delivery.slot
    if slot is not None and slot.is_expired:
        cell.drop(delivery, DeadLetterReason.EXPIRED)
        return now
    cell.begin((delivery,), now)
    if slot is not None or delivery.trace_id is not None:
        current_call.set(Call(cell.address, delivery.deadline, delivery.trace_id))
    elif current_call.get() is not base:
        current_call.set(base)
    outcome = FlightOutcome.HANDLED
    try:
        # If cancelled here: run_cell fails the ask and writes the dead letter.
        value = await actor.receive(delivery.message)
        if slot is not None:
            delivery.reply(value)
    except (Refusal, ExceptionGroup) as error:
        delivery.fail(_refusal_in(error))
        outcome = FlightOutcome.REFUSED
    return cell.finish(outcome)


async def handle_batch(
    cell: Cell,
    actor: Actor[Any],
    batch: Sequence[Delivery[object]],
    base: Call | None,
    now: float,
) -> float:
    """Handle what waited. Returns when it ended."""
    asks = [delivery for delivery in batch if delivery.slot is not None]
    if asks:
        batch, asks = _without_expired(cell, batch)
        if not batch:
            return now
    cell.begin(batch, now)
    current_call.set(_call_of(cell, asks) if asks else base)
    outcome = FlightOutcome.HANDLED
    try:
        # If cancelled here: run_cell settles what the handler has not answered.
        await actor.receive_batch(batch)
    except (Refusal, ExceptionGroup) as error:
        refusal = _refusal_in(error)
        outcome = FlightOutcome.REFUSED
        for delivery in asks:
            delivery.fail(refusal)
    for delivery in asks:
        if not delivery.is_answered:
            delivery.fail(ActorFailed(cell.address, "the batch handler left it unanswered"))
    return cell.finish(outcome)


def _refusal_in(error: Exception) -> Refusal:
    """The refusal that a handler raised, perhaps out of a nursery; else it is a crash."""
    refusal = opened(error)
    if not isinstance(refusal, Refusal):
        raise error
    return refusal


def _without_expired(
    cell: Cell, batch: Sequence[Delivery[object]]
) -> tuple[list[Delivery[object]], list[Delivery[object]]]:
    """What is worth handling, and the asks among it; the rest is dropped."""
    worth: list[Delivery[object]] = []
    asks: list[Delivery[object]] = []
    for delivery in batch:
        if delivery.slot is None:
            worth.append(delivery)
        elif delivery.slot.is_expired:
            cell.drop(delivery, DeadLetterReason.EXPIRED)
        else:
            worth.append(delivery)
            asks.append(delivery)
    return worth, asks


def _call_of(cell: Cell, asks: Sequence[Delivery[object]]) -> Call:
    """Of those who wait for any of the batch, the longest patience counts."""
    deadline = max(delivery.deadline for delivery in asks)
    return Call(cell.address, deadline, asks[0].trace_id)
