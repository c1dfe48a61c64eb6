"""The version of this product, as packaged."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

VERSION: Final = version("aeon-messenger")
