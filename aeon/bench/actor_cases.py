"""What `aeon bench actors` times: each case returns seconds per operation.

Every case of the runtime has its counterpart on bare Trio beside it, because only ratios
within one run say anything: absolute times change with the machine and its neighbours.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio
import trio.lowlevel

from actors.runtime import Actor, ActorSystem, Delivery, Props, RestartPolicy

Case = Callable[[], Awaitable[float]]

_ROUND = 64
"""Messages told before the actor runs: what one turn may take."""


class Sink(Actor[object]):
    """Counts; wakes the benchmark when it has seen enough."""

    async def receive(self, message: object) -> object:
        """Handle one."""
        if isinstance(message, trio.Event):
            message.set()
        return message


class BatchSink(Sink):
    """The same in batches."""

    async def receive_batch(self, batch: Sequence[Delivery[object]]) -> None:
        """Handle all that waits."""
        for delivery in batch:
            if isinstance(delivery.message, trio.Event):
                delivery.message.set()
            delivery.reply(None)


class Crasher(Actor[object]):
    """Crashes on demand."""

    async def receive(self, message: object) -> object:
        """Crash, or answer."""
        if message is None:
            raise ValueError
        return message


def _system() -> ActorSystem:
    system = ActorSystem("bench")
    props = Props(capacity=100_000, idle_after_seconds=math.inf)
    system.register("sink", Sink, props)
    system.register("batch", BatchSink, props)
    patient = RestartPolicy(intensity=10**9, min_backoff_seconds=0, max_backoff_seconds=0)
    system.register("crasher", Crasher, Props(capacity=100_000, restart=patient))
    return system


async def checkpoint(n: int = 20_000) -> float:
    """One pass of Trio's scheduler."""
    began = time.perf_counter()
    for _ in range(n):
        await trio.lowlevel.checkpoint()
    return (time.perf_counter() - began) / n


async def channel(n: int = 10_000) -> float:
    """The measure of all others: send and receive on a plain memory channel of 64."""
    send, receive = trio.open_memory_channel[int](_ROUND)

    async def consume() -> None:
        async for _ in receive:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        began = time.perf_counter()
        async with send:
            for n_ in range(n):
                await send.send(n_)
    return (time.perf_counter() - began) / n


async def channel_nowait(n: int = 10_000) -> float:
    """An unbounded memory channel, told 64 at a time: the fastest plain one."""
    send, receive = trio.open_memory_channel[int](math.inf)

    async def consume() -> None:
        async for _ in receive:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        began = time.perf_counter()
        async with send:
            for _ in range(n // _ROUND):
                for n_ in range(_ROUND):
                    send.send_nowait(n_)
                await trio.lowlevel.checkpoint()
    return (time.perf_counter() - began) / n


async def _tell(kind: str, n: int, at_once: int) -> float:
    async with _system() as system:
        ref = system.ref(kind, 1)
        await ref.ask("warm")
        began = time.perf_counter()
        for _ in range(n // at_once):
            for n_ in range(at_once):
                ref.tell(n_)
            await trio.lowlevel.checkpoint()
        done = trio.Event()
        ref.tell(done)
        await done.wait()
        return (time.perf_counter() - began) / n


async def tell(n: int = 20_000) -> float:
    """Told 64 at a time, handled one by one."""
    return await _tell("sink", n, _ROUND)


async def tell_batch(n: int = 20_000) -> float:
    """Told 64 at a time, handled by ``receive_batch``."""
    return await _tell("batch", n, _ROUND)


async def tell_single(n: int = 5_000) -> float:
    """Told one at a time, the actor woken for each."""
    return await _tell("sink", n, 1)


async def ask_channel(n: int = 3_000) -> float:
    """A bare ask: a request channel and a reply channel for each; no deadline, no errors."""
    send, receive = trio.open_memory_channel[tuple[int, trio.MemorySendChannel[int]]](_ROUND)

    async def serve() -> None:
        async for message, reply in receive:
            await reply.send(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        began = time.perf_counter()
        async with send:
            for n_ in range(n):
                reply_send, reply_receive = trio.open_memory_channel[int](1)
                await send.send((n_, reply_send))
                await reply_receive.receive()
    return (time.perf_counter() - began) / n


async def ask(n: int = 3_000) -> float:
    """An ask with its deadline, cycle check, statistics and flight record."""
    async with _system() as system:
        ref = system.ref("sink", 1)
        await ref.ask("warm")
        began = time.perf_counter()
        for n_ in range(n):
            await ref.ask(n_, timeout_seconds=5)
        return (time.perf_counter() - began) / n


async def spawn_channel(n: int = 3_000) -> float:
    """A task with a memory channel is started and gets its first message."""
    began = time.perf_counter()

    async def serve(receive: trio.MemoryReceiveChannel[int]) -> None:
        await receive.receive()

    async with trio.open_nursery() as nursery:
        for n_ in range(n):
            send, receive = trio.open_memory_channel[int](_ROUND)
            nursery.start_soon(serve, receive)
            send.send_nowait(n_)
    return (time.perf_counter() - began) / n


async def activate(n: int = 3_000) -> float:
    """An actor that does not run gets a message: registered, started, told."""
    async with _system() as system:
        began = time.perf_counter()
        for n_ in range(n):
            system.ref("sink", n_).tell(n_)
        done = trio.Event()
        system.ref("sink", n - 1).tell(done)
        await done.wait()
        return (time.perf_counter() - began) / n


async def restart(n: int = 2_000) -> float:
    """A crash, a new incarnation, and its first message."""
    async with _system() as system:
        ref = system.ref("crasher", 1)
        began = time.perf_counter()
        for _ in range(n):
            ref.tell(None)
        await ref.ask("up again", timeout_seconds=60)
        return (time.perf_counter() - began) / n


async def passivate(n: int = 3_000) -> float:
    """An idle actor is found by the sweep, asked, stopped and forgotten."""
    system = ActorSystem("bench", sweep_seconds=0.01)
    props = Props(idle_after_seconds=0.0)
    system.register("sink", Sink, props)
    async with system:
        for n_ in range(n):
            system.ref("sink", n_).tell(n_)
        began = time.perf_counter()
        while system.count():  # noqa: ASYNC110 - the runtime has no need to tell
            await trio.sleep(0.001)
        return (time.perf_counter() - began) / n


async def neighbour_latencies(queued: int = 20_000) -> list[float]:
    """Asks to an idle actor while its neighbour works off ``queued`` messages of 20 us each."""

    class Hot(Actor[object]):
        async def receive(self, message: object) -> None:
            ends = time.perf_counter() + 20e-6
            while time.perf_counter() < ends:
                pass

    async with _system() as system:
        system.register("hot", Hot, Props(capacity=queued))
        hot, idle = system.ref("hot", 1), system.ref("sink", 1)
        await idle.ask("warm")
        for n in range(queued):
            hot.tell(n)
        taken: list[float] = []
        while system.snapshot("hot").actors[0].depth:
            began = time.perf_counter()
            await idle.ask("news")
            taken.append(time.perf_counter() - began)
    return sorted(taken)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many actors that come, handle one message and go."""

    actors: int
    activate_seconds: float
    """Until each has handled its message."""
    passivate_seconds: float
    longest_pause_seconds: float
    """The longest another task had to wait for its turn while they went to rest."""
    tasks_left: int
    objects_left: int
    dead_letters: int


async def crowd(count: int) -> Crowd:
    """Activate ``count`` actors, tell each one message, let all go to rest."""
    system = ActorSystem("bench", sweep_seconds=0.01)
    system.register("sink", Sink, Props(idle_after_seconds=0.5))
    async with system:
        tasks = trio.lowlevel.current_statistics().tasks_living
        began = time.perf_counter()
        for key in range(count):
            system.ref("sink", key).tell(key)
            if key % 1000 == 0:
                await trio.lowlevel.checkpoint()
        while system.snapshot(limit=0).kinds[0].handled < count:  # noqa: ASYNC110
            await trio.sleep(0.001)
        activated = time.perf_counter()
        longest = 0.0
        while system.count():
            turn = time.perf_counter()
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.perf_counter() - turn)
        passivated = time.perf_counter()
        gc.collect()
        return Crowd(
            actors=count,
            activate_seconds=activated - began,
            passivate_seconds=passivated - activated,
            longest_pause_seconds=longest,
            tasks_left=trio.lowlevel.current_statistics().tasks_living - tasks,
            objects_left=sum(isinstance(found, Sink) for found in gc.get_objects()),
            dead_letters=system.dead_letters.total,
        )


BARE: dict[str, Case] = {
    "checkpoint": checkpoint,
    "memory channel: send + receive": channel,
    "unbounded channel: send_nowait + receive": channel_nowait,
    "reply-channel ask, no deadline": ask_channel,
    "start a task with a channel, first message": spawn_channel,
}
RUNTIME: dict[str, Case] = {
    "tell, 64 waiting, receive_batch": tell_batch,
    "tell, 64 waiting, receive": tell,
    "tell, actor asleep": tell_single,
    "ask with deadline": ask,
    "activate, first message": activate,
    "restart after a crash": restart,
    "passivate": passivate,
}
