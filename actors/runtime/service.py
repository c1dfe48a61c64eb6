"""Children of the static tree: long-lived services, and the actor kinds themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from actors.runtime import log
from actors.runtime.failures import split_failure
from actors.runtime.kind import Spawn
from actors.runtime.registry import Registry
from actors.runtime.supervisor import Restart


class Service(Protocol):
    """Something that runs as long as the system: a writer, a bus, a listener."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Call ``task_status.started()`` when ready; return after ``aclose``."""
        ...

    async def aclose(self) -> None:
        """Stop accepting and finish what is accepted; ``run`` then returns."""
        ...


class ServiceChild:
    """A service in a task of its own. Implements `supervisor.Child`."""

    def __init__(
        self,
        name: str,
        factory: Callable[[], Service],
        spawn: Spawn,
        *,
        restart: Restart = Restart.PERMANENT,
        stop_seconds: float = 5.0,
    ) -> None:
        self.name = name
        self.restart = restart
        self._factory = factory
        self._spawn = spawn
        self._stop_seconds = stop_seconds
        self._service: Service | None = None
        self._scope = trio.CancelScope()
        self._finished = trio.Event()
        self._is_stopping = False

    async def start(self, ended: Callable[[Exception | None], None]) -> None:
        """Run a new service until it says it is ready."""
        self._scope, self._finished, self._is_stopping = trio.CancelScope(), trio.Event(), False
        ready = _Readiness()
        self._service = self._factory()
        self._spawn(self._run, self._service, ready, ended, name=self.name)
        try:
            await ready.wait()
        except BaseException:
            self._scope.cancel(reason=f"start of {self.name} was given up")
            raise

    async def stop(self, *, for_good: bool) -> None:
        """Close it; cut it off when that takes longer than it may."""
        del for_good  # a service finishes what it accepted either way
        self._is_stopping = True
        with trio.move_on_after(self._stop_seconds):
            try:
                if self._service is not None and not self._finished.is_set():
                    await self._service.aclose()
                await self._finished.wait()
            except Exception as error:  # noqa: BLE001 - it goes down one way or the other
                log.service_failed(self.name, error)
        self._scope.cancel(reason=f"{self.name} did not stop in time")
        await self._finished.wait()

    async def _run(
        self, service: Service, ready: _Readiness, ended: Callable[[Exception | None], None]
    ) -> None:
        failure: Exception | None = None
        finished, scope = self._finished, self._scope
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    # A nursery, because TaskStatus is Trio's to make.
                    await nursery.start(service.run)
                    ready.settle(None)
        except (Exception, BaseExceptionGroup) as error:
            failure, fatal = split_failure(error)
            if fatal is not None:
                raise fatal from error
        finally:
            finished.set()
        was_ready = not ready.settle(failure or RuntimeError(f"{self.name} was never ready"))
        if was_ready and not self._is_stopping:
            ended(failure)
        elif was_ready and failure is not None:
            log.service_failed(self.name, failure)  # nobody else hears of it


class _Readiness:
    """Whether a start came to be; settled once."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._error: Exception | None = None

    def settle(self, error: Exception | None) -> bool:
        if self._event.is_set():
            return False
        self._error = error
        self._event.set()
        return True

    async def wait(self) -> None:
        await self._event.wait()
        if self._error is not None:
            raise self._error


class KindChild:
    """An actor kind as a child: up means its actors may be started."""

    restart = Restart.PERMANENT

    def __init__(self, registry: Registry) -> None:
        self.name = registry.name
        self._registry = registry

    async def start(self, ended: Callable[[Exception | None], None]) -> None:
        """Open the kind. Its actors fail one by one, never as a kind."""
        del ended
        self._registry.is_open = True
        await trio.lowlevel.checkpoint()

    async def stop(self, *, for_good: bool) -> None:
        """Drain its actors; in a restart of the tree, answer what waits and end them.

        Those that take longer than their kind may are left behind, to be cut off at the end.
        """
        registry = self._registry
        with trio.move_on_after(registry.kind.props.shutdown_seconds):
            if for_good:
                await registry.drain()
            else:
                await registry.stop_all()
