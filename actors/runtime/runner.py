"""The life of an actor's task: start, serve, stop, and what follows a crash.

The rules of this file:

- The only ``except`` that decides about an actor's errors is in `_live`. Cancelled and other
  base exceptions pass through it.
- An actor's task is cancelled only when the system's shutdown budget is used up. Each await
  says what is in our hands there; `run_cell` settles it.
- What runs inside the scope `cell.cut` may be cancelled by an operator as well; that is the
  failure `CutOff`, and `_after_cut` settles it. A sleeping actor is in none: a scope is 850 bytes.
  It is entered at every wake-up, so it is written out: a context manager of ours would add 1 us.
- Between the last look into the mailbox and leaving the registry there is no checkpoint, so a
  message is either seen here or starts the next incarnation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.runtime import log
from actors.runtime.actor import Actor, handles_batches
from actors.runtime.call import Call, current_call
from actors.runtime.cell import Cell, CellState
from actors.runtime.context import ActorContext
from actors.runtime.failures import is_transient, split_failure
from actors.runtime.handling import handle, handle_batch, handle_item
from actors.runtime.props import Directive
from actors.runtime.restart import RestartWindow
from actors.runtime.signals import StopReason


class CutOff(Exception):
    """An operator ended what the actor was doing."""


async def run_cell(cell: Cell, forget: Callable[[Cell], None]) -> None:
    """Run one incarnation after the other until the actor is gone; then ``forget`` it."""
    cell.task = trio.lowlevel.current_task()
    try:
        while await _live(cell):
            # An actor that restarts at once, again and again, must not stop the world. If
            # cancelled here: a hard stop, nothing is in our hands.
            await trio.lowlevel.checkpoint()
    finally:
        # Also the way out of a hard stop: whatever is still ours gets its answer.
        cell.cut_current()
        cell.drop_waiting()
        cell.end_incarnation()
        cell.tell_watchers(cell.stop_reason or StopReason.SHUTDOWN)
        cell.state = CellState.STOPPED
        cell.task = None
        forget(cell)


async def _live(cell: Cell) -> bool:
    """One incarnation. True when another has to follow."""
    failure: Exception | None = None
    reason = StopReason.FAILED
    try:
        with trio.CancelScope() as cut:  # one for the start and what waits for it
            cell.cut = cut
            actor = await _start(cell)
            maybe_reason = await _work(cell, actor, base := current_call.get())
        _leave(cell, cut)
        reason = maybe_reason or await _serve(cell, actor, base)
        cell.state = CellState.STOPPING
        if cell.stop_reason is not StopReason.SHUTDOWN:
            cell.stop_reason = None  # obeyed: what comes from now on is another request
        if type(actor).on_stop is not Actor.on_stop:
            with trio.CancelScope() as cut:
                cell.cut = cut
                current_call.set(base)  # nobody waits for this, whoever asked last
                # If cancelled here: a hard stop, on_stop is best effort.
                await actor.on_stop(reason)
            _leave(cell, cut)
    except (Exception, BaseExceptionGroup) as error:
        failure, fatal = split_failure(error)
        if fatal is not None:
            raise fatal from error
    state = cell.state
    cell.end_incarnation()
    if isinstance(failure, CutOff):
        return _after_cut(cell, reason, has_stopped=state is CellState.STOPPING)
    if failure is not None:
        cell.fail_current(failure)
        if state is CellState.STOPPING:
            log.stopped_badly(cell.address, failure)
        else:
            return await _recover(cell, failure, failed_to_start=state is CellState.STARTING)
    return _after_stop(cell, reason)


async def _start(cell: Cell) -> Actor[Any]:
    kind = cell.kind
    cell.state = CellState.STARTING
    current_call.set(Call(cell.address, float("inf")))
    actor: Actor[Any] = kind.factory(ActorContext(cell, cell.generation))
    if type(actor).on_start is not Actor.on_start:
        # If cancelled in here: nothing is in our hands.
        async with kind.starts:
            await actor.on_start()
    cell.actor = actor
    cell.failure = None
    return actor


async def _serve(cell: Cell, actor: Actor[Any], base: Call | None) -> StopReason:
    """Sleep, and handle what comes, until there is a reason to stop."""
    reason = None
    while reason is None:
        # If cancelled here: a hard stop, nothing is in our hands, the mailbox stays. (Not in
        # a function of its own: an idle actor would hold one more frame.)
        await trio.lowlevel.wait_task_rescheduled(cell.park())
        with trio.CancelScope() as cut:
            cell.cut = cut
            reason = await _work(cell, actor, base)
        cell.cut = None
        if cut.cancelled_caught:
            raise CutOff
    return reason


def _leave(cell: Cell, cut: trio.CancelScope) -> None:
    cell.cut = None
    if cut.cancelled_caught:
        raise CutOff


async def _work(cell: Cell, actor: Actor[Any], base: Call | None) -> StopReason | None:
    """Handle what there is, system lane first; None: nothing is left, and no reason to stop."""
    mailbox, props, clock = cell.mailbox, cell.kind.props, cell.kind.environment.clock
    in_batches = handles_batches(actor)
    cell.state = CellState.BUSY
    left, now = props.max_batch, clock()
    turn_ends = now + props.max_batch_seconds
    while True:
        if cell.stop_reason is not None or cell.wants_reload:
            reason = _reason_to_stop(cell, actor)
            if reason is not None:
                return reason
        left -= 1
        if (item := mailbox.take_signal()) is not None:
            now = await handle_item(cell, actor, item, base, now)
        elif in_batches and (batch := mailbox.take_many(props.max_batch)):
            now = await handle_batch(cell, actor, batch, base, now)
            left = 0
        elif (delivery := mailbox.take()) is not None:
            now = await handle(cell, actor, delivery, base, now)
        else:
            return None
        if left <= 0 or now >= turn_ends:
            # If cancelled here: a hard stop, between two messages.
            await trio.lowlevel.checkpoint()
            left, now = props.max_batch, clock()
            turn_ends = now + props.max_batch_seconds


def _reason_to_stop(cell: Cell, actor: Actor[Any]) -> StopReason | None:
    """Decide on a stop request; None to go on."""
    reason = cell.stop_reason
    if cell.wants_restart and reason is not StopReason.REQUESTED:
        raise CutOff
    if cell.wants_reload and reason is not StopReason.REQUESTED:
        return StopReason.IDLE
    if reason is StopReason.REQUESTED:
        cell.drop_waiting()
        return reason
    must_go_on = not cell.mailbox.is_empty or cell.has_pipes
    if reason is StopReason.SHUTDOWN:
        return None if must_go_on else reason
    if must_go_on or cell.has_pending or not actor.may_passivate():
        cell.stop_reason = None
        return None
    return reason


async def _recover(cell: Cell, failure: Exception, *, failed_to_start: bool) -> bool:
    """After a crash: wait and go on with the same mailbox, or give up."""
    environment, props = cell.kind.environment, cell.kind.props
    if failed_to_start:
        _refuse_waiting_asks(cell, failure)
        if cell.stop_reason is StopReason.SHUTDOWN:
            log.not_started(cell.address, failure)
            cell.drop_waiting()
            return _after_stop(cell, StopReason.SHUTDOWN)
    if cell.window is None:
        cell.window = RestartWindow(props.restart)
    transient = is_transient(failure, props.transient)
    wait_seconds = cell.window.failed(
        trio.current_time(), transient=transient, random=environment.random.random()
    )
    if wait_seconds is None:
        return _give_up(cell, failure)
    log.crashed(cell.address, failure, transient=transient, wait_seconds=wait_seconds)
    if cell.stop_reason not in (StopReason.SHUTDOWN, StopReason.REQUESTED):
        cell.state = CellState.BACKOFF
        with trio.CancelScope() as cell.backoff:
            # If cancelled here: by a stop request, or a hard stop; nothing is in our hands.
            await trio.sleep(wait_seconds)
        cell.backoff = None
    if cell.stop_reason is StopReason.REQUESTED:
        return _after_stop(cell, StopReason.REQUESTED)
    if cell.mailbox.depth == 0 and (failed_to_start or cell.stop_reason is not None):
        # Nobody needs it now. Whoever does next starts it afresh.
        return _after_stop(cell, cell.stop_reason or StopReason.FAILED)
    return _again(cell)


def _after_cut(cell: Cell, reason: StopReason, *, has_stopped: bool) -> bool:
    """An operator cut the actor off: what it had in its hands is lost, what waits is not."""
    if cell.current:
        seconds = cell.kind.environment.clock() - cell.current_since
        log.cut_off(cell.address, type(cell.current[0].message).__name__, seconds)
    cell.cut_current()
    if has_stopped:
        return _after_stop(cell, reason)
    if cell.stop_reason is StopReason.REQUESTED:
        return _after_stop(cell, StopReason.REQUESTED)
    if cell.stop_reason is StopReason.SHUTDOWN and cell.mailbox.depth == 0:
        return _after_stop(cell, StopReason.SHUTDOWN)
    return _again(cell)


def _again(cell: Cell) -> bool:
    cell.restarts += 1
    cell.kind.totals.restarts += 1
    return True


def _refuse_waiting_asks(cell: Cell, failure: Exception) -> None:
    """A failed start answers everybody who waits for it; tells are kept, in order."""
    for delivery in cell.mailbox.take_many(cell.mailbox.depth):
        if delivery.slot is not None:
            cell.drop_crashed(delivery, failure, "start failed")
        else:
            cell.mailbox.offer(delivery)


def _give_up(cell: Cell, failure: Exception) -> bool:
    log.gave_up(cell.address, failure)
    cell.kind.totals.gave_up += 1
    cell.drop_waiting()
    if cell.kind.props.exhausted is Directive.ESCALATE:
        cell.kind.environment.escalate(cell.address, failure)
    return _after_stop(cell, StopReason.FAILED)


def _after_stop(cell: Cell, reason: StopReason) -> bool:
    """Whether messages that came during the stop call for a next incarnation. Atomic."""
    if cell.stop_reason is StopReason.REQUESTED:  # perhaps only while it stopped already
        cell.drop_waiting()
        if reason is StopReason.IDLE:
            reason = StopReason.REQUESTED
    goes_on = cell.mailbox.depth > 0
    if reason is StopReason.IDLE:
        cell.kind.totals.passivated += 1
    if not goes_on or reason in (StopReason.REQUESTED, StopReason.FAILED):
        cell.tell_watchers(reason)
    return goes_on
