"""The operators' part of the route table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import BaseModel, TypeAdapter

from aeon.admin import actors, examples, figures, log, models
from aeon.admin.overview import describe_all
from aeon.admin.queries import ActorQuery, AuditQuery, SessionQuery
from aeon.api.route import Answer, Call, Route

_NO_STORE: Final = {"Cache-Control": "no-store"}
JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
# Asked for every second: an adapter is made once.
_OVERVIEW: Final = TypeAdapter(models.Overview)


async def _list_actors(call: Call) -> Answer:
    """List the running actors of this node.

    The look at all of them is taken a slice at a time, so rows are of slightly different moments.
    """
    return _answer(await actors.list_actors(call.services, call.query(ActorQuery)))


async def _show_actor(call: Call) -> Answer:
    """Show everything about one actor; it answers also while the actor is stuck.

    Its own account, its watchers, timers and last messages, and where its task waits.
    """
    return _answer(await actors.open_actor(call.services, call.path["kind"], call.path["key"]))


async def _restart_actor(call: Call) -> Answer:
    """Replace an actor's instance by a fresh one. What waits stays and is handled by it.

    A handler that has worked for a second, or will have before it is done, is cut off; whoever
    waits for its answer is told `outcome_unknown`.
    """
    return _act(call, "restart")


async def _stop_actor(call: Call) -> Answer:
    """End an actor. What waits is answered `unavailable`; its next use starts it again.

    A handler is cut off as by a restart.
    """
    return _act(call, "stop")


async def _passivate_actor(call: Call) -> Answer:
    """Ask an actor to rest, as if it had been idle for long. It stays if it has something to do."""
    return _act(call, "passivate")


async def _show_tree(call: Call) -> Answer:
    """Draw the supervision tree: services and kinds in their order, the busiest actors of each."""
    return _answer(await figures.draw_tree(call.services))


async def _list_dead_letters(call: Call) -> Answer:
    """Count the messages that no actor handled, and name the last of them by type."""
    return _answer(figures.list_dead_letters(call.services))


async def _list_connections(call: Call) -> Answer:
    """List this node's connections, those that are furthest behind first."""
    return _answer(await figures.list_sessions(call.services, call.query(SessionQuery)))


async def _show_system(call: Call) -> Answer:
    """Sum up this node: versions, database, writer, connections, event loop, rates."""
    return _answer(await figures.describe_system(call.services))


async def _list_audit(call: Call) -> Answer:
    """List who used these endpoints, and what administrators did, newest first.

    While the database is away: what this node itself remembers, and `is_complete` is false.
    """
    return _answer(await log.read(call.services, call.query(AuditQuery).limit))


async def _stream_overview(call: Call) -> Answer:
    """Send an event `overview` every second, until you go or the node drains.

    Its data is JSON: `{"system": …, "busiest": [10 actors], "stuck": [actors at one message for
    more than a second], "tree": …}`, each as the other endpoints give it.
    """
    services = call.services

    async def source() -> bytes:
        return _OVERVIEW.dump_json(await describe_all(services))

    stream = services.streams.open(source)
    headers = {**_NO_STORE, "X-Accel-Buffering": "no"}
    return Answer(stream, headers=headers, content_type=_EVENTS)


def _act(call: Call, action: models.Action) -> Answer:
    return _answer(actors.act(call.services, call.path["kind"], call.path["key"], action))


def _answer(model: BaseModel) -> Answer:
    # Pydantic's own JSON: its floats and dates are those of the description.
    return Answer(model.model_dump_json().encode(), headers=_NO_STORE, content_type=JSON)


_V1: Final = "/api/v1/admin"
_ACTOR: Final = f"{_V1}/actors/{{kind}}/{{key}}"
_Handler = Callable[[Call], Awaitable[Answer]]


def _route(
    method: str,
    path: str,
    handler: _Handler,
    summary: str,
    returns: object,
    example: object,
    *,
    query: type[BaseModel] | None = None,
    errors: tuple[str, ...] = (),
    media_type: str = JSON,
) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        summary=summary,
        tag="operations",
        returns=returns,
        query=query,
        for_operators=True,
        errors=("not_allowed", *errors),
        example=example,
        media_type=media_type,
    )


_GONE: Final = ("actor_not_found",)

ROUTES: Final = (
    _route(
        "GET",
        f"{_V1}/actors",
        _list_actors,
        "List actors",
        models.ActorPage,
        examples.ACTOR_PAGE,
        query=ActorQuery,
    ),
    _route(
        "GET",
        _ACTOR,
        _show_actor,
        "Open an actor",
        models.ActorDetail,
        examples.ACTOR,
        errors=_GONE,
    ),
    _route(
        "POST",
        f"{_ACTOR}/restart",
        _restart_actor,
        "Restart an actor",
        models.ActionAnswer,
        examples.action("restart"),
        errors=_GONE,
    ),
    _route(
        "POST",
        f"{_ACTOR}/stop",
        _stop_actor,
        "Stop an actor",
        models.ActionAnswer,
        examples.action("stop"),
        errors=_GONE,
    ),
    _route(
        "POST",
        f"{_ACTOR}/passivate",
        _passivate_actor,
        "Send an actor to rest",
        models.ActionAnswer,
        examples.action("passivate"),
        errors=_GONE,
    ),
    _route("GET", f"{_V1}/tree", _show_tree, "Draw the tree", models.Tree, examples.TREE),
    _route(
        "GET",
        f"{_V1}/dead-letters",
        _list_dead_letters,
        "List dead letters",
        models.DeadLetters,
        examples.DEAD_LETTERS,
    ),
    _route(
        "GET",
        f"{_V1}/sessions",
        _list_connections,
        "List connections",
        models.SessionPage,
        examples.SESSION_PAGE,
        query=SessionQuery,
    ),
    _route(
        "GET",
        f"{_V1}/system",
        _show_system,
        "Sum up the node",
        models.SystemAnswer,
        examples.SYSTEM,
    ),
    _route(
        "GET",
        f"{_V1}/audit",
        _list_audit,
        "Read the audit trail",
        models.AuditAnswer,
        examples.AUDIT,
        query=AuditQuery,
    ),
    _route(
        "GET",
        f"{_V1}/stream",
        _stream_overview,
        "Follow the node",
        str,
        examples.STREAM,
        media_type=_EVENTS,
    ),
)
