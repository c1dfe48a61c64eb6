"""Making an actor's described state safe to show. Pure.

``Actor.describe`` should hold nothing private; this is the second line: suspicious keys lose
their values, long text its content, large collections their tail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from enum import Enum
from itertools import islice

_PRIVATE = ("text", "token", "secret", "password", "auth", "init_data", "caption", "body", "hash")
_MAX_TEXT = 64
_MAX_ITEMS = 32
_MAX_DEPTH = 4


def redact(value: object, *, depth: int = 0) -> object:
    """A bounded copy of ``value`` in plain types, without what looks private."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else f"[{len(value)} characters]"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth >= _MAX_DEPTH:
        return f"[{type(value).__name__}]"
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, Sequence | Set):
        items = [redact(item, depth=depth + 1) for item in islice(value, _MAX_ITEMS)]
        hidden = len(value) - len(items)
        return [*items, f"[{hidden} more]"] if hidden else items
    # Never repr(): an application's objects may print what they hold.
    return f"[{type(value).__name__}]"


def label(key: object) -> str:
    """A short name for a key that an application has chosen, without what looks private."""
    if isinstance(key, Enum):
        return str(key.value)
    if isinstance(key, tuple):
        return ":".join(label(part) for part in key)
    return str(redact(key))


def _redact_mapping(mapping: Mapping[object, object], depth: int) -> dict[str, object]:
    shown: dict[str, object] = {}
    for number, (key, value) in enumerate(mapping.items()):
        if number == _MAX_ITEMS:
            shown["..."] = f"[{len(mapping) - number} more]"
            break
        name = str(redact(key))
        is_private = isinstance(key, str) and any(word in key.lower() for word in _PRIVATE)
        shown[name] = "[redacted]" if is_private else redact(value, depth=depth + 1)
    return shown
