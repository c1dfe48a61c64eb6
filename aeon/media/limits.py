"""How much the media part takes on. Sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aeon.config import Settings


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bounds of one node."""

    max_file_bytes: int
    user_quota_bytes: int = 5 * 1024**3
    uploads_per_user: int = 8
    """At a time."""
    unfinished_uploads_per_user: int = 16
    """Resumable ones, counted in the database."""
    upload_lifetime: timedelta = timedelta(days=1)
    unused_lifetime: timedelta = timedelta(days=1)
    """A file that no message and no chat refers to is collected after this."""
    link_window_seconds: int = 6 * 3600
    """Links change once per window and live for one to two windows."""
    thumbnail_wait_seconds: float = 1.5
    """How long an upload's answer waits for its preview; it goes on being made."""
    sweep_seconds: float = 60.0
    """Between two pages of the janitor's walk."""

    @classmethod
    def from_settings(cls, settings: Settings) -> MediaLimits:
        """Take what operators can choose from the settings."""
        return cls(
            max_file_bytes=settings.max_file_size, user_quota_bytes=settings.media_user_quota
        )
