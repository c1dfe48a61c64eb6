"""What binds one incarnation to the world: its timers, watches and pipes.

They end with it. An item that is no longer found here by identity when it arrives is void,
which is how a timer of an old incarnation can never fire into the new one.
"""

from __future__ import annotations

from collections.abc import Hashable

from actors.runtime.address import Address
from actors.runtime.kind import Environment
from actors.runtime.lane import LaneItem, Pipe, Watch
from actors.runtime.timers import Timer


class Ties:
    """Made with the first timer, watch or pipe; most actors have none."""

    __slots__ = ("_environment", "pipes", "timers", "watches")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.timers: dict[Hashable, Timer] = {}
        self.watches: dict[Address, Watch] = {}
        self.pipes: set[Pipe] = set()

    @property
    def keep_alive(self) -> bool:
        """Something is under way that the actor wants to hear of."""
        return bool(self.timers or self.pipes)

    def set_timer(self, timer: Timer) -> None:
        """Start it in place of the one with its key."""
        self.cancel_timer(timer.key)
        self.timers[timer.key] = timer
        self._environment.timers.add(timer)

    def cancel_timer(self, key: Hashable) -> bool:
        """False if there is none."""
        timer = self.timers.pop(key, None)
        if timer is not None:
            self._environment.timers.cancel(timer)
        return timer is not None

    def watch(self, watch: Watch) -> None:
        """Begin to watch; twice is once."""
        if watch.address in self.watches:
            return
        self.watches[watch.address] = watch
        target = self._environment.find(watch.address)
        if target is None:
            watch.ended(watch.reason)
        else:
            target.add_watch(watch)

    def unwatch(self, address: Address) -> bool:
        """False if it was not watched. Also voids news that is under way."""
        watch = self.watches.pop(address, None)
        if watch is None:
            return False
        target = self._environment.find(address)
        if target is not None:
            target.drop_watch(watch)
        return True

    def claim(self, item: LaneItem) -> bool:
        """Take an arrived item out. False if it is void."""
        match item:
            case Timer():
                is_known = self.timers.get(item.key) is item
                if is_known:
                    del self.timers[item.key]
            case Watch():
                is_known = self.watches.get(item.address) is item
                if is_known:
                    del self.watches[item.address]
            case Pipe():
                is_known = item in self.pipes
                self.pipes.discard(item)
            case _:
                is_known = True
        return is_known

    def cut(self) -> None:
        """The incarnation is over."""
        for key in tuple(self.timers):
            self.cancel_timer(key)
        for address in tuple(self.watches):
            self.unwatch(address)
        for pipe in self.pipes:
            pipe.cancel()
        self.pipes.clear()
