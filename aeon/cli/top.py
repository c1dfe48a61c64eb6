"""``aeon top``: what a running node's actors do, live in a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from aeon.top.options import Kind, Options, Sort

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def top(
    url: Annotated[
        str,
        typer.Option(help="Base URL of the server. Default: HOST and PORT.", show_default=False),
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="ADMIN_TOKEN",
            help="The server's admin token. Better set ADMIN_TOKEN, in the environment or .env:"
            " others on this machine can read command lines.",
            show_default=False,
            show_envvar=True,
        ),
    ] = "",
    sort: Annotated[
        Sort,
        typer.Option(
            help="Which actors come first: busiest now, longest at one message (current), longest"
            " queue (depth), longest waiting message (oldest), and so on.",
            case_sensitive=False,
        ),
    ] = Sort.BUSIEST,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Only actors of this kind.", show_default=False, case_sensitive=False),
    ] = None,
    interval: Annotated[
        float, typer.Option(help="Seconds between two looks.", min=0.2, max=3600.0)
    ] = 1.0,
    patience: Annotated[
        float,
        typer.Option(help="Seconds the server may be away before this ends.", min=0.0),
    ] = 30.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it once, as JSON, and end.")] = False,
) -> None:
    """Show a running server's actors, live: what is busy, what is stuck, how fast it all goes.

    Needs the server's ADMIN_TOKEN. Keys: q quits, s changes the order. Where the output is no
    terminal, it is printed once. An actor is called stuck after one second at one message.

    Exit status: 0 fine, 1 the server is away or refuses, 2 the question makes no sense.
    """
    from aeon.cli.faults import teach

    with teach():
        url = url or _url_of_settings()
        token = token or _token_of_settings()
    options = Options(
        url=url,
        token=token,
        sort=sort,
        kind=kind,
        interval_seconds=interval,
        patience_seconds=patience,
        is_json=json,
        is_once=once,
    )
    with teach("aeon top"):
        raise typer.Exit(_run(options))


def _url_of_settings() -> str:
    from aeon.config import load_settings

    settings = load_settings()
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _token_of_settings() -> str:
    from aeon.config import load_settings

    token = load_settings().admin_token
    return "" if token is None else token.get_secret_value()


def _run(options: Options) -> int:
    from rich.console import Console

    from aeon.interruption import run_until_interrupted
    from aeon.load.faults import UsageFault
    from aeon.top.run import run

    if not options.token:
        raise UsageFault(
            "no admin token: set ADMIN_TOKEN, in the environment or .env, to the server's"
        )
    return run_until_interrupted(run, options, Console())
