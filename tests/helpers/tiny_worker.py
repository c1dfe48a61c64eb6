"""A worker that serves nothing and does as it is told by files in its directory.

``crash``: it ends at once. ``refuse``: with the status of a refusal. ``stillborn``: as soon as it
is ready. ``stubborn``: it ignores SIGTERM. ``cut-off``: told to stop, it says that it cut actors
off; ``fail``: that it was cut short. ``hang``: it lives on and counts no more. Each of them may be
named for one worker only: ``crash-2``.
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
    is_stubborn = told("stubborn")
    status = 4 if told("cut-off") else 1 if told("fail") else 0
    signal.signal(signal.SIGTERM, signal.SIG_IGN if is_stubborn else lambda *_: sys.exit(status))
    with Path("started").open("a") as started:
        started.write(f"{orders.number} {os.getpid()}\n")
    os.write(orders.ready, b"ready\n")
    os.close(orders.ready)
    beats, table = 0, Table(orders.beats)
    while True:
        if not told("hang"):
            beats += 1
            table.note(orders.slot, beats)
        time.sleep(0.01)  # noqa: TID251 - it is no Trio program


if __name__ == "__main__":
    main()
