"""Looks again and again, and draws what it sees, until somebody leaves or the node is gone."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field

import orjson
import trio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from aeon.load.endpoint import find
from aeon.load.faults import LoadFault, ServerGone
from aeon.top.keyboard import keys, single_keys
from aeon.top.options import Options, Sort
from aeon.top.picture import Trend, draw, footer, lines_around
from aeon.top.source import MAX_ROWS, Figures, Source
from aeon.top.units import duration

_ROWS_ONCE = 20
_STATUS_OF_A_SIGNAL = 128


async def run(options: Options, console: Console) -> int:
    """Show a node as ``options`` say, and return the exit status.

    Raises:
        UsageFault: what was asked for makes no sense.
        LoadFault: the node can not be reached, went away, or does not let one in.
    """
    source = Source(await find(options.url), options.token)
    try:
        if options.is_json or options.is_once or not _is_interactive(console):
            await _show_once(options, source, console)
            return 0
        return await _Screen(options, source, console).run()
    finally:
        source.close()


def _is_interactive(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty()


async def _show_once(options: Options, source: Source, console: Console) -> None:
    limit = MAX_ROWS if options.is_json else _ROWS_ONCE
    figures = await source.look(sort=options.sort, kind=options.kind, limit=limit)
    try:
        _print(options, figures, console)
    except BrokenPipeError:
        raise  # the reader has seen enough; the command line knows what to do
    except OSError as error:
        _forget_output()
        raise LoadFault(f"the output can not be written: {error.strerror}") from None


def _forget_output() -> None:
    """Let what is still buffered go nowhere: it would fail once more at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _print(options: Options, figures: Figures, console: Console) -> None:
    if options.is_json:
        document = orjson.dumps(figures.as_json(), option=orjson.OPT_INDENT_2)
        sys.stdout.buffer.write(document + b"\n")
        sys.stdout.flush()
        return
    trend = Trend()
    trend.add(figures)
    width = console.width
    console.print(draw(figures, trend, width=width, rows=_ROWS_ONCE, sort=options.sort))


@dataclass(slots=True)
class _Screen:
    """The live view; lives on the terminal's second screen, so that scrollback stays as it was."""

    options: Options
    source: Source
    console: Console
    sort: Sort = field(init=False)
    trend: Trend = field(default_factory=Trend)
    figures: Figures | None = None
    looked_at: float = 0.0
    """Trio's clock."""
    trouble: str = ""
    status: int = 0
    wake: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.sort = self.options.sort

    async def run(self) -> int:
        # The first look comes before the screen is taken: a wrong token is an ordinary message.
        await self._look()
        descriptor = sys.stdin.fileno()
        live = Live(
            console=self.console, screen=True, auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        with single_keys(descriptor), live:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, descriptor, nursery.cancel_scope)
                nursery.start_soon(self._obey_signals, nursery.cancel_scope)
                await self._follow(live)
        return self.status

    async def _follow(self, live: Live) -> None:
        while True:
            live.update(self._picture(), refresh=True)
            self.wake = trio.Event()
            with trio.move_on_after(self.options.interval_seconds):
                await self.wake.wait()
            try:
                await self._look()
            except ServerGone as error:
                self._note_absence(error)

    async def _look(self) -> None:
        self.figures = await self.source.look(
            sort=self.sort, kind=self.options.kind, limit=MAX_ROWS
        )
        self.looked_at = trio.current_time()
        self.trouble = ""
        self.trend.add(self.figures)

    def _note_absence(self, error: ServerGone) -> None:
        away_seconds = trio.current_time() - self.looked_at
        if away_seconds > self.options.patience_seconds:
            raise ServerGone(f"{error}; gone for {duration(away_seconds)}") from None
        self.trouble = f"{error}. These figures are {duration(away_seconds)} old; trying again."

    async def _listen(self, descriptor: int, everything: trio.CancelScope) -> None:
        async for key in keys(descriptor):
            if key in "qQ":
                break
            if key in "sS":
                self.sort = self.sort.next()
                self.wake.set()
        everything.cancel(reason="somebody left")

    async def _obey_signals(self, everything: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                self.status = _STATUS_OF_A_SIGNAL + number
                everything.cancel(reason="a signal to stop")

    def _picture(self) -> Group:
        assert self.figures is not None
        width, height = self.console.size
        rows = max(1, height - lines_around(self.figures))
        drawn = draw(self.figures, self.trend, width=width, rows=rows, sort=self.sort)
        return Group(drawn, Text(), footer(self.sort, self.trouble))
