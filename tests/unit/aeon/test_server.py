from __future__ import annotations

import pytest
import trio

from aeon.server import Config, serve


async def nothing(scope: object, receive: object, send: object) -> None:
    """Serve nothing."""


@pytest.mark.parametrize("field", ["%(R)s", "%(Uq)s", "%(q)s"])
async def test_query_strings_are_kept_out_of_the_access_log(field: str) -> None:
    config = Config()
    config.accesslog = "-"
    config.access_log_format = f"%(h)s {field} %(s)s"
    with pytest.raises(ValueError, match="query strings"):
        await serve(nothing, config, shutdown=trio.Event())
