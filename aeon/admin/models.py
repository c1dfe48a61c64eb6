"""What operators are told, written down for the API description and held by a test.

All durations are seconds, all ages relative to the answer. Names are addresses and types; no
text, title or name of anybody is in here. Answers speak of the node that gave them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from aeon.wire.schemas import Output

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
AddressText = Annotated[str, Field(examples=["chat/12"], description="Kind and key")]
Figure = bool | int | float | str | None
Figures = Annotated[
    dict[str, Figure], Field(description="Statistics of a part; versions may add figures")
]
Action = Literal["restart", "stop", "passivate"]


class ActorRow(Output):
    """One running actor."""

    address: AddressText
    kind: str
    key: str
    parent: Annotated[str, Field(description="What starts and supervises it")]
    state: Literal["starting", "idle", "busy", "backoff", "stopping", "stopped"]
    age_seconds: Seconds
    idle_seconds: Annotated[Seconds, Field(description="Since it went to sleep; 0 while it works")]
    depth: Annotated[Count, Field(description="Messages that wait")]
    capacity: Count
    peak_depth: Count
    oldest_message_seconds: Seconds | None
    current_message: Annotated[str | None, Field(description="Type of what it is handling")]
    current_seconds: Annotated[Seconds | None, Field(description="For how long, so far")]
    handled: Count
    failed: Count
    restarts: Count
    dropped: Count
    handling_p50_seconds: Annotated[
        Seconds | None, Field(description="Of its handlings that the flight recorder still holds")
    ]
    handling_p99_seconds: Seconds | None
    last_error: Annotated[str | None, Field(description="Type of its last crash")]


class ActorPage(Output):
    """Some of the running actors."""

    node: str
    total: Annotated[Count, Field(description="That match, on all pages")]
    offset: Count
    limit: Count
    actors: list[ActorRow]


class TimerRow(Output):
    """A timer an actor has set for itself."""

    key: str
    remaining_seconds: Seconds


class FlightRow(Output):
    """A message the actor has handled."""

    at_age_seconds: Seconds
    message: str
    waited_seconds: Seconds
    handled_seconds: Seconds
    outcome: Literal["handled", "refused", "crashed", "cut_off", "expired"]
    request_id: str | None


class FrameRow(Output):
    """Where code stands; never a value of a variable."""

    file: str
    line: Count
    function: str


class ActorDetail(ActorRow):
    """One running actor, opened."""

    node: str
    inspected: Annotated[
        dict[str, object] | None,
        Field(description="Its own account, without content; null while it is busy"),
    ]
    inspection_error: Literal["timeout", "failed", "stopped"] | None
    watchers: Annotated[list[AddressText], Field(description="Who hears of its end")]
    timers: list[TimerRow]
    recent: Annotated[list[FlightRow], Field(description="What it handled last, newest first")]
    stack: Annotated[list[FrameRow], Field(description="Where its task waits, outermost first")]


class ActionAnswer(Output):
    """What was asked of an actor is under way."""

    address: AddressText
    action: Action
    accepted: Literal[True]


class TreeNode(Output):
    """A part of the supervision tree."""

    name: str
    kind: Literal["system", "service", "kind", "actor"]
    state: str
    restarts: Count
    strategy: str | None = None
    last_error: str | None = None
    counts: Figures | None = None
    children: list[TreeNode]


class Tree(Output):
    """The supervision tree: services, kinds, and the busiest actors of each kind."""

    node: str
    root: TreeNode


class DeadLetterCount(Output):
    """How many messages nobody handled, by kind and reason."""

    kind: str
    reason: str
    count: Count


class DeadLetterRow(Output):
    """A message nobody handled."""

    address: AddressText
    message: str
    reason: str
    age_seconds: Seconds


class DeadLetters(Output):
    """Messages nobody handled: counts since the start, and the last ones."""

    node: str
    counts: list[DeadLetterCount]
    recent: list[DeadLetterRow]


class SessionRow(Output):
    """One connection."""

    session_id: str
    user_id: Annotated[int, Field(ge=1)]
    age_seconds: Seconds
    transport: str
    pending_frames: Count
    pending_bytes: Count
    frames_sent: Count
    transient_dropped: Count
    held_chats: Count


class SessionPage(Output):
    """Some of the connections, the fullest first."""

    node: str
    total: Count
    offset: Count
    limit: Count
    sessions: list[SessionRow]


class EventLoop(Output):
    """How late the event loop wakes tasks; null where it is not measured."""

    lag_p50_seconds: Seconds | None
    lag_p99_seconds: Seconds | None
    lag_max_seconds: Seconds | None


class Rates(Output):
    """Per second, over about the last second; the first answer of a node: since it started."""

    messages_per_second: Annotated[
        float | None, Field(ge=0, description="Commands of chats that were decided")
    ]
    deliveries_per_second: Annotated[float | None, Field(ge=0, description="Frames handed out")]


class SystemAnswer(Output):
    """A node's own figures."""

    node: str
    version: str
    python: str
    trio: str
    hypercorn: str
    uptime_seconds: Seconds
    draining: bool
    actors: Figures
    database: Figures
    writer: Figures | None
    fanout: Figures
    outboxes: Figures
    bus: Figures | None
    presence: Figures | None
    http: Figures | None
    audit: Figures
    event_loop: EventLoop
    rates: Rates


class AuditRow(Output):
    """One use of the operators' endpoints, or one deed of an administrator."""

    at: AwareDatetime
    who: Annotated[
        str, Field(description="`user:7`, `token` for the admin token, `nobody`: not known")
    ]
    action: str
    target: str | None
    outcome: Annotated[str, Field(description="`ok`, or the code of the refusal")]
    request_id: str | None
    repeats: Annotated[
        int,
        Field(ge=0, description="Readings like this one since it was noted last, within a minute"),
    ]


class AuditAnswer(Output):
    """Who did what, newest first."""

    node: str
    is_complete: Annotated[
        bool, Field(description="False: the database is away; only what this node remembers")
    ]
    entries: list[AuditRow]


class Overview(Output):
    """What the stream says every second."""

    system: SystemAnswer
    busiest: list[ActorRow]
    stuck: Annotated[
        list[ActorRow], Field(description="At one message for more than a second, longest first")
    ]
    tree: TreeNode
