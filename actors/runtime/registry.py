"""The running actors of one kind: found, started on first use, forgotten when gone.

Lookup and insert happen without a checkpoint between them, so there is at most one live
incarnation per address, whatever the scheduler does.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.runtime.address import Address, Key
from actors.runtime.cell import Cell
from actors.runtime.dead_letters import DeadLetterReason
from actors.runtime.delivery import Delivery
from actors.runtime.errors import ActorStopped
from actors.runtime.kind import Kind
from actors.runtime.runner import run_cell
from actors.runtime.signals import StopReason


class Registry:
    """All cells of a kind. Implements `ref.Directory`."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.name
        self.waits = kind.environment.waits
        self.is_open = False
        """Whether actors may be started."""
        self.on_crowded: Callable[[], None] = lambda: None
        """Called when more actors run than ``Props.max_active``."""
        self._cells: dict[Key, Cell] = {}
        self._emptied: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._cells)

    def find(self, key: Key) -> Cell | None:
        """The running actor of this key."""
        return self._cells.get(key)

    def cells(self) -> tuple[Cell, ...]:
        """All running actors, as they are now."""
        return tuple(self._cells.values())

    def offer(self, key: Key, delivery: Delivery[object]) -> bool:
        """Put ``delivery`` into the actor's mailbox, starting it when needed. Atomic."""
        cell = self._cells.get(key)
        if cell is None:
            if not self.is_open:
                self._refuse(Address(self.name, key), delivery)
                return False
            cell = self._activate(key)
        return cell.offer(delivery)

    def stop(self, key: Key) -> bool:
        """Ask a running actor to stop. Atomic."""
        cell = self._cells.get(key)
        if cell is not None:
            cell.stop(StopReason.REQUESTED)
        return cell is not None

    def _activate(self, key: Key) -> Cell:
        cell = Cell(self.kind, key)
        self._cells[key] = cell
        self.kind.totals.activated += 1
        max_active = self.kind.props.max_active
        if max_active is not None and len(self._cells) > max_active:
            self.on_crowded()
        self.kind.environment.spawn(run_cell, cell, self._forget, name=str(cell.address))
        return cell

    def _forget(self, cell: Cell) -> None:
        if self._cells.get(cell.address.key) is cell:
            del self._cells[cell.address.key]
        if not self._cells and self._emptied is not None:
            self._emptied.set()

    def _refuse(self, address: Address, delivery: Delivery[object]) -> None:
        delivery.fail(ActorStopped(address, "the system is not running"))
        self.kind.environment.dead_letters.add(
            address, delivery.message, DeadLetterReason.STOPPED, trio.current_time()
        )

    async def drain(self) -> None:
        """Let every actor handle what it has, then stop it; return when none is left.

        Actors may be started until then, by others that still work. Cancelling it leaves the
        stop requests standing.
        """
        await self._stop_until_empty(StopReason.SHUTDOWN)
        self.is_open = False

    async def stop_all(self) -> None:
        """Stop every actor after its current message; start none until opened again."""
        self.is_open = False
        await self._stop_until_empty(StopReason.REQUESTED)

    async def _stop_until_empty(self, reason: StopReason) -> None:
        """Ask now and then: actors come to be, or come back, while others stop."""
        while self._cells:
            for cell in self.cells():
                cell.stop(reason)
            self._emptied = trio.Event()
            with trio.move_on_after(0.05):
                await self._emptied.wait()
