"""The ``aeon`` command, and ``python -m aeon``.

It listens to signals before it imports anything large: that takes a second, and on a busy machine
several.
"""

from __future__ import annotations

import sys

from aeon import early_signals


def main() -> None:
    """Run the command line."""
    is_server = sys.argv[1:2] == ["serve"]
    early_signals.end_at_signals(0 if is_server else early_signals.INTERRUPTED)
    if is_server:
        # Whether there is a supervisor, which replaces workers then, is in the settings.
        early_signals.note_hangups()

    from aeon.cli import app

    app()


if __name__ == "__main__":
    main()
