"""``chat`` and ``fanout``: everybody is connected and talks; the groups make the difference."""

from __future__ import annotations

from aeon.load.scenarios.scene import RealtimeScene


class ChatScene(RealtimeScene):
    """Messages at a steady rate in many groups (``chat``), or in one (``fanout``)."""
