"""Nodes: how long an event takes from one node to a socket on another.

Two servers, PostgreSQL with durable settings, Redis and the clients, all on this machine. In each
pair Anna is connected to the first node and writes, Boris to the second; both get every message.
What Boris waits longer than Anna is what a second node adds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import orjson
import trio
import typer
from rich.console import Console

from aeon.demo.person import Person, connect
from aeon.interruption import run_until_interrupted
from aeon.load.cluster.redis_process import RedisProcess, find_redis
from aeon.load.own_server import make_bot_token, settings_for_load
from aeon.load.server_process import ServerProcess
from aeon.telegram.init_data import sign
from storage import migrate
from storage.embedded import EmbeddedPostgres, throwaway_directory

PAIRS: Final = 10
"""A connection's commands are answered one after the other: one pair alone would queue up."""
WARM_UP_MESSAGES: Final = 10
"""Of each pair."""
MAX_P99_MS: Final = 15.0


@dataclass(frozen=True, slots=True)
class NodesResult:
    """Milliseconds from sending a message to its arrival."""

    messages: int
    per_second: float
    same_node_p50_ms: float
    same_node_p99_ms: float
    other_node_p50_ms: float
    other_node_p99_ms: float
    between_p50_ms: float
    """Arrival at the socket on the other node, after the arrival on the sender's node."""
    between_p99_ms: float


async def measure(messages: int, per_second: float, redis_program: str = "") -> NodesResult:
    """Send that many messages at that rate, over all pairs."""
    each, pace = max(1, messages // PAIRS), per_second / PAIRS
    same: list[float] = []
    other: list[float] = []

    async def talk(anna: Person, boris: Person, delay: float) -> None:
        await trio.sleep(delay)
        answer = await anna.post(
            "/api/v1/chats/",
            {"title": "Nodes", "chat_type": "group", "member_ids": [boris.user_id]},
        )
        await _send(anna, int(answer["id"]), WARM_UP_MESSAGES, pace)
        for person in (anna, boris):
            await person.wait_for_messages(WARM_UP_MESSAGES)
            person.events.clear()
        sent_at = await _send(anna, int(answer["id"]), each, pace)
        for person, found in ((anna, same), (boris, other)):
            arrived_at = await _arrivals(person, each)
            found += [late - early for early, late in zip(sent_at, arrived_at, strict=True)]

    async with _pairs(redis_program) as pairs, trio.open_nursery() as nursery:
        for number, (anna, boris) in enumerate(pairs):
            nursery.start_soon(talk, anna, boris, number / per_second)
    between = [late - early for early, late in zip(same, other, strict=True)]
    return NodesResult(
        messages=len(same),
        per_second=per_second,
        same_node_p50_ms=_percentile(same, 0.5),
        same_node_p99_ms=_percentile(same, 0.99),
        other_node_p50_ms=_percentile(other, 0.5),
        other_node_p99_ms=_percentile(other, 0.99),
        between_p50_ms=_percentile(between, 0.5),
        between_p99_ms=_percentile(between, 0.99),
    )


async def _send(anna: Person, chat_id: int, messages: int, per_second: float) -> list[float]:
    """Send at an even pace, whatever becomes of them; when each was sent."""
    sent_at: list[float] = []
    begin = trio.current_time()
    for number in range(messages):
        await trio.sleep_until(begin + number / per_second)
        sent_at.append(time.perf_counter())
        command = {"type": "send_message", "chat_id": chat_id, "text": f"Message {number}"}
        await anna.socket.send_message(orjson.dumps(command).decode())
    return sent_at


async def _arrivals(person: Person, count: int) -> list[float]:
    """Wait until all came in; when each did, in the order they were sent."""
    await person.wait_for_messages(WARM_UP_MESSAGES + count)
    news = [event for event in person.events if event["type"] == "new_message"]
    return [person.arrived_at[event["message"]["id"]] for event in news]


@asynccontextmanager
async def _pairs(redis_program: str) -> AsyncIterator[list[tuple[Person, Person]]]:
    """Connect pairs of people, one of each to the first node, the other to the second."""
    bot_token = make_bot_token()
    program = find_redis(redis_program)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(throwaway_directory("aeon-bench-"))
        postgres = await stack.enter_async_context(EmbeddedPostgres.start(directory / "pg"))
        await migrate.upgrade(postgres.url)
        redis = RedisProcess(program, directory)
        stack.push_async_callback(redis.kill)
        await redis.start()
        settings = {
            **settings_for_load(directory, bot_token, max_chat_members=10),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
        }
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        sides: list[list[Person]] = []
        for first_id, name in ((1_000, "Anna"), (2_000, "Boris")):
            server = ServerProcess(directory, settings, name=f"node of {name}")
            await nursery.start(server.run)
            sides.append([])
            for user_id in range(first_id, first_id + PAIRS):
                user = {"id": user_id, "first_name": name}
                init_data = sign(bot_token, user=user, auth_date=int(time.time()))
                person = connect(server.url, name, user_id, init_data)
                sides[-1].append(await stack.enter_async_context(person))
        yield list(zip(*sides, strict=True))


def _percentile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def command(
    messages: Annotated[int, typer.Option(help="Messages to send.", min=1)] = 3000,
    rate: Annotated[float, typer.Option(help="Messages a second.", min=1)] = 100.0,
    redis_server: Annotated[str, typer.Option(help="Program to start as Redis.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Measure how long an event takes from one node to a socket on another."""
    result = run_until_interrupted(measure, messages, rate, redis_server)
    is_missed = result.other_node_p99_ms > MAX_P99_MS
    if as_json:
        sys.stdout.write(json.dumps(asdict(result) | {"missed": is_missed}, indent=2) + "\n")
    else:
        console = Console()
        console.print(f"{result.messages} messages at {result.per_second:g} a second, p50 and p99")
        for what, p50, p99 in (
            ("send to socket, same node ", result.same_node_p50_ms, result.same_node_p99_ms),
            ("send to socket, other node", result.other_node_p50_ms, result.other_node_p99_ms),
            ("what the other node adds  ", result.between_p50_ms, result.between_p99_ms),
        ):
            console.print(f"  {what}  {p50:5.2f}  {p99:5.2f} ms")
        if is_missed:
            console.print(f"missed: p99 to the other node within {MAX_P99_MS:g} ms", style="red")
    if is_missed:
        raise typer.Exit(1)
