"""The name of this node: which of several processes an answer is about."""

from __future__ import annotations

import os
import socket
from functools import cache


@cache
def node_name() -> str:
    """Host and process, as ``web-1:4711``."""
    return f"{socket.gethostname()}:{os.getpid()}"
