"""A worker that serves nothing and does as it is told by files in its directory.

``crash``: it ends at once. ``refuse``: with the status of a refusal. ``stillborn``: as soon as it
is ready. ``stubborn``: it ignores SIGTERM. ``cut-off``: told to stop, it says that it cut actors
off; ``fail``: that it was cut short. ``hang``: it lives on and counts no more. ``slow``: it is not
ready before this is taken back. ``drain``: told to stop, it goes when this is taken back, and says
that it was cut short if it was told more than once. Each of them may be named for one worker only:
``crash-2``.
"""

import os
import signal
import sys
import time
from pathlib import Path

from aeon.net.turns import Table
from aeon.supervise.orders import Orders


def main() -> None:
    orders = Orders.from_arguments(sys.argv[1:])

    def told(word: str) -> bool:
        return Path(word).exists() or Path(f"{word}-{orders.number}").exists()

    if told("refuse"):
        raise SystemExit(2)
    if told("crash"):
        with Path("crashed").open("a") as crashed:
            crashed.write("x")
        raise SystemExit(70)
    if told("stillborn"):
        os.write(orders.ready, b"ready\n")
        raise SystemExit(70)
    if told("slow"):
        Path("slowed").touch()
    while told("slow"):
        time.sleep(0.01)  # noqa: TID251 - it is no Trio program
    is_stubborn, drains, times_told = told("stubborn"), told("drain"), 0
    status = 4 if told("cut-off") else 1 if told("fail") else 0

    def stop(*_: object) -> None:
        nonlocal times_told
        times_told += 1
        Path("stopped").touch()
        if not drains:
            sys.exit(status)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if is_stubborn else stop)
    with Path("started").open("a") as started:
        started.write(f"{orders.number} {os.getpid()}\n")
    os.write(orders.ready, b"ready\n")
    os.close(orders.ready)
    beats, table = 0, Table(orders.beats)
    while True:
        if drains and times_told and not told("drain"):
            sys.exit(min(times_told - 1, 1))
        if not told("hang"):
            beats += 1
            table.note(orders.slot, beats)
        time.sleep(0.01)  # noqa: TID251 - it is no Trio program


if __name__ == "__main__":
    main()
