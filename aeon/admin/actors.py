"""Actors as operators see them, and what operators do to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final, Literal

from actors.runtime import (
    ActorStatus,
    ActorStopped,
    ActorSystem,
    Address,
    AskTimeout,
    Key,
    Survey,
    UnknownKind,
)
from aeon.admin.models import (
    Action,
    ActionAnswer,
    ActorDetail,
    ActorPage,
    ActorRow,
    FlightRow,
    FrameRow,
    TimerRow,
)
from aeon.admin.node import node_name
from aeon.admin.queries import ActorQuery
from aeon.errors import EdgeError, FieldFault, InvalidInput
from aeon.services import Services

INSPECTION_SECONDS: Final = 0.5
"""How long an answer waits for the actor's own account: its turn between two messages."""
STUCK_SECONDS: Final = 1.0
RECENT: Final = 50
_MAX_NUMBER: Final = 20
"""Digits of a key that may be a number."""


async def list_actors(services: Services, asked: ActorQuery) -> ActorPage:
    """Look through all running actors.

    Raises:
        InvalidInput: there is no such kind.
    """
    kinds = services.system.kinds
    for field, value in (("kind", asked.kind), ("parent", asked.parent)):
        if value is not None and value not in kinds:
            raise InvalidInput([FieldFault(field, f"one of {', '.join(kinds)}")])
    page = await services.system.survey(
        Survey(
            kind=asked.kind,
            state=asked.state,
            parent=asked.parent,
            text=None if asked.q is None else asked.q.replace("/", ":", 1),
            sort=asked.sort,
            offset=asked.offset,
            limit=asked.limit,
        )
    )
    return ActorPage(
        node=node_name(),
        total=page.total,
        offset=asked.offset,
        limit=asked.limit,
        actors=[row(status) for status in page.actors],
    )


async def open_actor(services: Services, kind: str, key: str) -> ActorDetail:
    """Show everything about one actor; also while it is stuck.

    Raises:
        EdgeError: ``actor_not_found``.
    """
    system = services.system
    address = find(system, kind, key)
    inspected, error = await _inspect(system, address)
    try:
        status = system.describe(address)
    except ActorStopped:
        raise not_running(address.kind, key) from None
    return ActorDetail(
        **dict(row(status)),
        node=node_name(),
        inspected=inspected,
        inspection_error=error,
        watchers=[printed(one) for one in system.watchers(address)],
        timers=[TimerRow(**asdict(one)) for one in system.timers(address)],
        recent=[
            FlightRow(
                at_age_seconds=max(0.0, one.seconds_ago),
                message=one.message_type,
                waited_seconds=max(0.0, one.waited_seconds),
                handled_seconds=max(0.0, one.handled_seconds),
                outcome=one.outcome.value,
                request_id=one.trace_id,
            )
            for one in system.flights(address.kind, address.key, limit=RECENT)
        ],
        stack=[FrameRow(**asdict(one)) for one in system.await_stack(address)],
    )


def act(services: Services, kind: str, key: str, action: Action) -> ActionAnswer:
    """Restart, stop or passivate an actor; it is under way when this returns.

    Raises:
        EdgeError: ``actor_not_found``.
    """
    system = services.system
    address = find(system, kind, key)
    match action:
        case "restart":
            system.restart(address)
        case "stop":
            system.stop(address)
        case "passivate":
            system.passivate(address)
    return ActionAnswer(address=printed(address), action=action, accepted=True)


def find(system: ActorSystem, kind: str, key: str) -> Address:
    """Give the address of a running actor, whose key is a number or a text.

    Raises:
        EdgeError: ``actor_not_found``; the detail names ``kind`` or ``key``.
    """
    keys: list[Key] = [key]
    if key.isascii() and key.isdigit() and len(key) <= _MAX_NUMBER:
        keys.insert(0, int(key))
    for candidate in keys:
        address = Address(kind, candidate)
        try:
            system.describe(address)
        except ActorStopped:
            continue
        except UnknownKind:
            names = ", ".join(system.kinds)
            detail = FieldFault("kind", f"one of {names}", "actor_not_found")
            raise EdgeError("actor_not_found", details=[detail]) from None
        return address
    raise not_running(kind, key)


def not_running(kind: str, key: str) -> EdgeError:
    """Make the refusal; ``kind`` exists."""
    text = f"no {kind} with this key runs on this node"
    del key  # what was typed is not repeated
    return EdgeError("actor_not_found", details=[FieldFault("key", text, "actor_not_found")])


def row(status: ActorStatus) -> ActorRow:
    """Write one actor down."""
    is_working = status.current_message is not None
    return ActorRow(
        address=printed(status.address),
        kind=status.address.kind,
        key=str(status.address.key),
        parent=status.address.kind,
        state=status.state,
        age_seconds=max(0.0, status.age_seconds),
        idle_seconds=max(0.0, status.idle_seconds),
        depth=status.depth,
        capacity=status.capacity,
        peak_depth=status.peak_depth,
        oldest_message_seconds=max(0.0, status.oldest_message_seconds) if status.depth else None,
        current_message=status.current_message,
        current_seconds=max(0.0, status.current_seconds) if is_working else None,
        handled=status.handled,
        failed=status.crashed,
        restarts=status.restarts,
        dropped=status.dropped,
        handling_p50_seconds=status.handling_p50_seconds,
        handling_p99_seconds=status.handling_p99_seconds,
        last_error=status.last_error,
    )


def printed(address: Address) -> str:
    """Write an address as it stands in a path."""
    return f"{address.kind}/{address.key}"


async def _inspect(
    system: ActorSystem, address: Address
) -> tuple[dict[str, object] | None, Literal["timeout", "failed", "stopped"] | None]:
    try:
        found = await system.get_state(address, timeout_seconds=INSPECTION_SECONDS)
    except AskTimeout:
        return None, "timeout"
    except ActorStopped:
        return None, "stopped"
    except Exception:  # noqa: BLE001 - the actor's own account failed; the rest is still of use
        return None, "failed"
    return (found if isinstance(found, dict) else {"state": found}), None
