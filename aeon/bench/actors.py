"""`aeon bench actors`: the actor runtime beside bare Trio, in one run, as ratios.

The cases take turns over several rounds and the best of each counts: it is the run that the
machine's other work disturbed least. Memory is measured in processes of their own.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import trio
import typer
from rich.console import Console
from rich.table import Table

from aeon.bench.actor_cases import BARE, RUNTIME, Crowd, crowd, neighbour_latencies
from aeon.bench.actor_memory import measure
from aeon.bench.actor_rivals import rival_figures
from aeon.bench.actor_survey import Look, Looks, look
from aeon.interruption import run_until_interrupted

_CHANNEL = "memory channel: send + receive"
_BARE_ASK = "reply-channel ask, no deadline"
_BARE_SPAWN = "start a task with a channel, first message"

_LIMITS = {
    "batched tell: times the throughput of the channel": (4.0, True),
    "ask with deadline: times the bare ask": (2.0, False),
    "idle actor: bytes": (4_500.0, False),
    "passivated actor: bytes": (300.0, False),
    "ask beside a hot neighbour, p99: ms": (10.0, False),
    "operators' look through 10,000 actors: ms": (100.0, False),
    "longest it keeps the event loop: ms": (10.0, False),
    "left behind by the crowd: tasks + objects + dead letters": (0.0, False),
}


@dataclass(frozen=True, slots=True)
class ActorFigures:
    """Everything one run measured. Times in seconds per operation."""

    date: str
    machine: str
    python: str
    trio: str
    rounds: int
    bare: dict[str, float]
    runtime: dict[str, float]
    rivals: dict[str, float]
    memory_bytes: dict[str, dict[int, float]]
    """By form, then by how many there were."""
    crowd: Crowd
    looks: Looks
    """Of operators through a crowd of 10,000."""
    neighbour_ms: dict[str, float]
    demands: dict[str, float] = field(default_factory=dict)
    """The figures that are held to a limit."""

    @property
    def missed(self) -> list[str]:
        """The demands that were not met."""
        return [name for name, value in self.demands.items() if not _is_met(name, value)]


def run(
    *,
    rounds: int = 5,
    idle_counts: tuple[int, ...] = (10_000, 100_000),
    crowd_count: int = 100_000,
) -> ActorFigures:
    """Measure. Takes about two minutes with the defaults."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, case in (BARE | RUNTIME).items():
            best[name] = min(best.get(name, float("inf")), run_until_interrupted(case))
    latencies = run_until_interrupted(neighbour_latencies)
    memory = {
        form: {count: measure(form, count) for count in idle_counts}
        for form in ("channel task", "idle", "passivated")
    }
    figures = ActorFigures(
        date=datetime.now(UTC).date().isoformat(),
        machine=_machine(),
        python=platform.python_version(),
        trio=trio.__version__,
        rounds=rounds,
        bare={name: best[name] for name in BARE},
        runtime={name: best[name] for name in RUNTIME},
        rivals=rival_figures(),
        memory_bytes=memory,
        crowd=run_until_interrupted(crowd, crowd_count),
        looks=run_until_interrupted(look),
        neighbour_ms={
            "p50": 1000 * _percentile(latencies, 0.50),
            "p99": 1000 * _percentile(latencies, 0.99),
            "max": 1000 * latencies[-1],
        },
    )
    figures.demands.update(_demands(figures))
    return figures


def _demands(figures: ActorFigures) -> dict[str, float]:
    bare, runtime, crowd_ = figures.bare, figures.runtime, figures.crowd
    values = (
        bare[_CHANNEL] / runtime["tell, 64 waiting, receive_batch"],
        runtime["ask with deadline"] / bare[_BARE_ASK],
        max(figures.memory_bytes["idle"].values()),
        max(figures.memory_bytes["passivated"].values()),
        figures.neighbour_ms["p99"],
        1000 * max(one.seconds for one in _looks(figures)),
        1000 * max(one.longest_pause_seconds for one in _looks(figures)),
        float(crowd_.tasks_left + crowd_.objects_left + crowd_.dead_letters),
    )
    return dict(zip(_LIMITS, values, strict=True))


def _looks(figures: ActorFigures) -> tuple[Look, ...]:
    return figures.looks.slowest_survey, figures.looks.last_page, figures.looks.tree


def _is_met(name: str, value: float) -> bool:
    limit, at_least = _LIMITS[name]
    return value >= limit if at_least else value <= limit


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{os.cpu_count()} cores of {model}"


def show(figures: ActorFigures, console: Console) -> None:
    """Print the figures as tables."""
    console.print(
        f"{figures.date}, {figures.machine}, Python {figures.python}, Trio {figures.trio}"
    )
    console.print(f"best of {figures.rounds} rounds")
    channel = figures.bare[_CHANNEL]
    times = Table("operation", "us", "per second", "times the channel")
    for group in (figures.bare, figures.runtime, figures.rivals):
        for name, seconds in group.items():
            us, ratio = f"{seconds * 1e6:.2f}", f"{seconds / channel:.2f}"
            times.add_row(name, us, f"{1 / seconds:,.0f}", ratio)
        times.add_section()
    console.print(times)
    counts = list(next(iter(figures.memory_bytes.values())))
    memory = Table("memory, bytes each", *(f"{count:,}" for count in counts))
    for form, by_count in figures.memory_bytes.items():
        memory.add_row(form, *(f"{by_count[count]:,.0f}" for count in counts))
    console.print(memory)
    crowd_ = figures.crowd
    console.print(
        f"{crowd_.actors:,} actors: activated and told in {crowd_.activate_seconds:.1f} s, "
        f"at rest {crowd_.passivate_seconds:.1f} s later, "
        f"others waited at most {crowd_.longest_pause_seconds * 1000:.0f} ms for a turn"
    )
    demands = Table("demand", "measured", "limit", "")
    for name, value in figures.demands.items():
        limit, at_least = _LIMITS[name]
        verdict = "met" if _is_met(name, value) else "MISSED"
        demands.add_row(name, f"{value:,.2f}", f"{'>=' if at_least else '<='} {limit:g}", verdict)
    console.print(demands)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds of each timed case.", min=1)] = 5,
    quick: Annotated[bool, typer.Option(help="Fewer actors: for a first impression.")] = False,
) -> None:
    """Measure the actor runtime beside bare Trio."""
    # The crash cases would fill the terminal, and the figures, with tracebacks.
    logging.disable(logging.CRITICAL)
    counts = (2_000,) if quick else (10_000, 100_000)
    figures = run(rounds=rounds, idle_counts=counts, crowd_count=max(counts))
    if as_json:
        document = asdict(figures) | {"missed": figures.missed}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        show(figures, Console())
    if figures.missed:
        raise typer.Exit(1)
