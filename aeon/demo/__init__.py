"""``aeon demo``: two people chat on a throw-away server."""

from aeon.demo.run import run

__all__ = ["run"]
