"""A transport that keeps what it is given, with a bound."""

from collections.abc import Sequence


class RecordingTransport:
    """Records writes; refuses when more than ``room`` payloads would be pending."""

    def __init__(self, *, room: int | None = None) -> None:
        self.writes: list[list[bytes]] = []
        self.transient: list[bytes] = []
        self.transient_writes = 0
        self.room = room
        self.closed: tuple[int, str] | None = None
        self.is_over = False

    @property
    def payloads(self) -> list[bytes]:
        return [payload for write in self.writes for payload in write]

    @property
    def pending_frames(self) -> int:
        return 0

    @property
    def pending_bytes(self) -> int:
        return 0

    def send_nowait(self, payloads: Sequence[bytes], *, transient: bool = False) -> bool:
        if self.room is not None and self.room < len(payloads):
            return False
        if self.room is not None:
            self.room -= len(payloads)
        if transient:
            self.transient.extend(payloads)
            self.transient_writes += 1
        else:
            self.writes.append(list(payloads))
        return True

    async def wait_drained(self) -> None:
        return

    def drop_pending(self) -> None:
        return

    async def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        self.closed = (1006, "")
