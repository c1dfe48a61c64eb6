"""An actor that gets stuck when it is told to."""

from __future__ import annotations

from typing import Any

import trio

from actors.runtime import Actor, ActorContext, ActorSystem, Props, StopReason


class Sticking(Actor[Any]):
    """Answers; sticks on "stick", also at the start or the stop, as its class says."""

    sticks_at_start = sticks_at_stop = False
    log: list[Any]

    def __init__(self, context: ActorContext, log: list[Any]) -> None:
        super().__init__(context)
        self.log = log

    async def on_start(self) -> None:
        self.log.append("start")
        if self.sticks_at_start and self.log.count("start") == 1:
            await trio.sleep_forever()

    async def receive(self, message: Any) -> Any:
        if message == "stick":
            await trio.sleep_forever()
        if message == "stubborn":
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
        if isinstance(message, float):
            await trio.sleep(message)
        self.log.append(message)
        return message

    async def on_stop(self, reason: StopReason) -> None:
        self.log.append(reason)
        if self.sticks_at_stop:
            await trio.sleep_forever()


def sticking(system: ActorSystem, actor: type[Sticking] = Sticking, **props: Any) -> list[Any]:
    log: list[Any] = []
    system.register("a", lambda context: actor(context, log), Props(**props))
    return log
