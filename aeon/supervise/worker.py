"""The program of a worker: run as ``python -m aeon.supervise.worker ORDERS`` by the supervisor.

It listens to signals before it imports anything large, as ``aeon.__main__`` does.
"""

from __future__ import annotations

import signal

from aeon import early_signals


def main() -> None:
    """Run until told to stop, or until the supervisor is gone."""
    # Replacing workers is the supervisor's business.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Told to stop before it serves, it has nothing to drain.
    early_signals.end_at_signals(0)

    from aeon.supervise import work

    work.main()


if __name__ == "__main__":
    main()
