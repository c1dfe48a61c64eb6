"""What a load run is asked to do, and whether it makes sense."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from aeon.load.endpoint import check_url
from aeon.load.faults import UsageFault

DEFAULT_URL: Final = "http://127.0.0.1:8000"
MAX_USERS: Final = 100_000
MAX_PROCESSES: Final = 64
MAX_TEXT_LENGTH: Final = 4096


class Scenario(StrEnum):
    """What the clients do."""

    CHAT = "chat"
    FANOUT = "fanout"
    STORM = "storm"
    REST = "rest"
    SOAK = "soak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A load run, as asked for at the command line."""

    scenario: Scenario
    urls: tuple[str, ...] = (DEFAULT_URL,)
    """Nodes of one deployment: people are spread over them, and go on when one is away."""
    bot_token: str = ""
    self_serve: bool = False
    """Start a server for the run, and stop it afterwards."""
    workers: int = 1
    """Processes of that server; more than one brings a Redis along."""
    restart_every_seconds: float = 0.0
    """Have that server replace its workers, one by one, this often; 0: never."""
    duration_seconds: float = 20.0
    users: int = 100
    rate: float = 100.0
    """Messages a second over all processes."""
    group_size: int = 5
    """Members of each chat; ``fanout`` puts everybody in one."""
    text_length: int = 60
    """Characters of a message's text."""
    seed: int = 1
    """Who says what where and when is drawn from this."""
    processes: int = 1
    patience_seconds: float = 10.0
    """How long the server may be away before the run gives up."""
    drain_seconds: float = 15.0
    """How long to wait at the end for what is still under way."""
    metrics_token: str = ""
    keep_chats: bool = False
    """Leave the chats of the run on the server."""
    json_path: str = ""
    """Where the report goes as JSON; ``-`` is standard output."""
    html_path: str = ""
    record_path: str = ""
    """Where the clients' histories go, for ``aeon load check``."""

    def check(self) -> None:
        """Check that the numbers make sense together.

        Raises:
            UsageFault: they do not; the text names the flag.
        """
        self._check_server()
        _positive("--duration", self.duration_seconds)
        _positive("--rate", self.rate)
        _positive("--patience", self.patience_seconds)
        _positive("--drain", self.drain_seconds)
        _between("--users", self.users, self.fewest_users, MAX_USERS)
        _between("--processes", self.processes, 1, MAX_PROCESSES)
        _between("--text-length", self.text_length, 0, MAX_TEXT_LENGTH)
        if self.processes > self.users:
            raise UsageFault(f"--processes {self.processes} is more than --users {self.users}")
        if self.scenario is not Scenario.FANOUT:
            _between("--group-size", self.group_size, 2, 10_000)
            if self.group_size > self.users:
                raise UsageFault(
                    f"--group-size {self.group_size} is more than --users {self.users}"
                )
        for flag, path in (
            ("--json", self.json_path),
            ("--html", self.html_path),
            ("--record", self.record_path),
        ):
            _writable(flag, path)

    @property
    def fewest_users(self) -> int:
        """How many people the scenario needs: messages go to somebody else."""
        return 2

    def _check_server(self) -> None:
        if self.self_serve:
            if self.urls != (DEFAULT_URL,):
                raise UsageFault("--self-serve starts its own server: leave --url out")
            _between("--workers", self.workers, 1, MAX_PROCESSES)
            if self.restart_every_seconds:
                _positive("--restart-every", self.restart_every_seconds)
            return
        if self.workers != 1 or self.restart_every_seconds:
            raise UsageFault("--workers and --restart-every are for the server of --self-serve")
        for url in self.urls:
            check_url(url)
        if not self.bot_token:
            raise UsageFault(
                "whose users? Give --bot-token (or TELEGRAM_BOT_TOKEN) of the server at"
                f" {self.urls[0]}, or --self-serve"
            )


def _positive(flag: str, value: float) -> None:
    if not math.isfinite(value) or value <= 0:
        raise UsageFault(f"{flag} {value:g} must be more than 0")


def _between(flag: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageFault(f"{flag} {value} must be between {least} and {most}")


def _writable(flag: str, path: str) -> None:
    if path in ("", "-"):
        return
    target = Path(path)
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise UsageFault(f"{flag} {path}: no such directory, or a directory itself")
