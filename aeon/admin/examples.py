"""Examples of the operators' answers, for the API description."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_NODE: Final = "web-1:4711"

ACTOR_ROW: Final[Json] = {
    "address": "chat/12",
    "kind": "chat",
    "key": "12",
    "parent": "chat",
    "state": "busy",
    "age_seconds": 812.4,
    "idle_seconds": 0.0,
    "depth": 3,
    "capacity": 1000,
    "peak_depth": 41,
    "oldest_message_seconds": 4.2,
    "current_message": "SendMessage x2",
    "current_seconds": 4.3,
    "handled": 5310,
    "failed": 0,
    "restarts": 0,
    "dropped": 0,
    "handling_p50_seconds": 0.0021,
    "handling_p99_seconds": 0.0088,
    "last_error": None,
}
ACTOR_PAGE: Final[Json] = {
    "node": _NODE,
    "total": 1,
    "offset": 0,
    "limit": 100,
    "actors": [ACTOR_ROW],
}
ACTOR: Final[Json] = {
    **ACTOR_ROW,
    "node": _NODE,
    "inspected": None,
    "inspection_error": "timeout",
    "watchers": [],
    "timers": [{"key": "typing:7", "remaining_seconds": 3.1}],
    "recent": [
        {
            "at_age_seconds": 4.4,
            "message": "SendMessage",
            "waited_seconds": 0.0004,
            "handled_seconds": 0.0023,
            "outcome": "handled",
            "request_id": "9f86d081884c7d65",
        }
    ],
    "stack": [{"file": "actors/chat/actor.py", "line": 90, "function": "ChatActor.receive_batch"}],
}
TREE: Final[Json] = {
    "node": _NODE,
    "root": {
        "name": "aeon",
        "kind": "system",
        "state": "up",
        "restarts": 0,
        "strategy": "rest_for_one",
        "children": [
            {"name": "writer", "kind": "service", "state": "up", "restarts": 0, "children": []},
            {
                "name": "chat",
                "kind": "kind",
                "state": "up",
                "restarts": 0,
                "strategy": "one_for_one",
                "counts": {"active": 250, "handled": 80123},
                "children": [
                    {
                        "name": "chat/12",
                        "kind": "actor",
                        "state": "busy",
                        "restarts": 0,
                        "counts": {"depth": 3, "handled": 5310},
                        "children": [],
                    }
                ],
            },
        ],
    },
}
DEAD_LETTERS: Final[Json] = {
    "node": _NODE,
    "counts": [{"kind": "chat", "reason": "expired", "count": 2}],
    "recent": [
        {"address": "chat/12", "message": "SendMessage", "reason": "expired", "age_seconds": 61.0}
    ],
}
SESSION_PAGE: Final[Json] = {
    "node": _NODE,
    "total": 1,
    "offset": 0,
    "limit": 100,
    "sessions": [
        {
            "session_id": "q3vYbT1nE6wHc2Qk",
            "user_id": 1001,
            "age_seconds": 340.2,
            "transport": "websocket",
            "pending_frames": 0,
            "pending_bytes": 0,
            "frames_sent": 912,
            "transient_dropped": 0,
            "held_chats": 0,
        }
    ],
}
SYSTEM: Final[Json] = {
    "node": _NODE,
    "version": "1.0.0",
    "python": "3.11.7",
    "trio": "0.35.0",
    "hypercorn": "0.18.0",
    "uptime_seconds": 86400.0,
    "draining": False,
    "actors": {"running": 260, "chat_running": 250, "user_running": 10, "dead_letters": 2},
    "database": {"size": 10, "idle": 9, "in_use": 1, "waiting": 0},
    "writer": {"queued_commands": 0, "commits": 8123},
    "fanout": {"users": 10, "sessions": 12, "deliveries": 90123},
    "outboxes": {"pending_frames": 0, "pending_bytes": 0, "fullest_bytes": 0, "behind": 0},
    "bus": None,
    "presence": {"waiting": 0, "announced": 812, "lost": 0},
    "http": {"connections": 14, "websockets": 12, "accepted": 1290},
    "audit": {"noted": 14, "repeated": 90, "stored": 14, "waiting": 0, "lost": 0, "failures": 0},
    "event_loop": {
        "lag_p50_seconds": 0.0004,
        "lag_p99_seconds": 0.003,
        "lag_max_seconds": 0.009,
    },
    "rates": {"messages_per_second": 12.5, "deliveries_per_second": 240.0},
}
AUDIT: Final[Json] = {
    "node": _NODE,
    "is_complete": True,
    "entries": [
        {
            "at": "2026-11-23T09:00:00.000000Z",
            "who": "user:1001",
            "action": "restart_actor",
            "target": "chat/12",
            "outcome": "ok",
            "request_id": "9f86d081884c7d65",
            "repeats": 0,
        }
    ],
}
STREAM: Final = 'event: overview\ndata: {"system": …, "busiest": […], "stuck": […], "tree": …}\n\n'


def action(name: str) -> Json:
    """Give the answer to an action."""
    return {"address": "chat/12", "action": name, "accepted": True}
