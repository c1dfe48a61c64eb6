"""The identifiers that every layer speaks.

All are 64-bit in PostgreSQL (``BIGINT``) and stay below 2**53, because clients read them as
JavaScript numbers.
"""

from __future__ import annotations

from typing import Final, NewType

UserId = NewType("UserId", int)
"""A person: the Telegram id itself, so that there is one number space."""

ChatId = NewType("ChatId", int)

MessageId = NewType("MessageId", int)
"""Increases with ``Seq`` inside a chat, and is unique over all chats."""

MediaId = NewType("MediaId", str)

Seq = NewType("Seq", int)
"""Position in a chat's event log: starts at 1, dense over all durable events of the chat."""

MAX_ID: Final = 2**53 - 1
"""Largest id a client can hold without loss (IEEE 754 double)."""
