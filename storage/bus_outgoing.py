"""What waits to be published: bounded in entries and bytes, taken a packet at a time. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from storage.bus_packet import MAX_PACKET_BYTES, MAX_PAYLOAD_BYTES, Entry, entry_bytes

MAX_WAITING_ENTRIES: Final = 50_000
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024


class Outgoing:
    """A queue that refuses instead of growing. Batches by being busy: one packet takes all."""

    def __init__(
        self, *, max_entries: int = MAX_WAITING_ENTRIES, max_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()
        self.waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, topic: str, payload: bytes) -> bool:
        """Queue an entry; False when there is no room for it."""
        size = entry_bytes(topic, payload)
        if (
            len(payload) > MAX_PAYLOAD_BYTES
            or len(self._entries) >= self._max_entries
            or self.waiting_bytes + size > self._max_bytes
        ):
            return False
        self._entries.append((topic, payload))
        self.waiting_bytes += size
        return True

    def take(self) -> list[Entry]:
        """Take the oldest entries, as many as one packet holds; at least one if any waits."""
        taken: list[Entry] = []
        size = 0
        while self._entries:
            entry_size = entry_bytes(*self._entries[0])
            if taken and size + entry_size > MAX_PACKET_BYTES:
                break
            taken.append(self._entries.popleft())
            size += entry_size
        self.waiting_bytes -= size
        return taken

    def clear(self) -> int:
        """Forget all; how many there were."""
        count = len(self._entries)
        self._entries.clear()
        self.waiting_bytes = 0
        return count
