"""``aeon load``: put a server under load, and verify while it is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aeon.cli.faults import teach
from aeon.interruption import run_until_interrupted
from aeon.load.cluster.kinds import KINDS

app = typer.Typer(
    help="Put a server under load and verify, message by message, what it promised.\n\n"
    "First try: aeon load chat --self-serve --duration 10\n\n"
    "A server of yours: aeon load chat --url http://127.0.0.1:8000 --bot-token TOKEN; it has to be"
    " started with RATE_LIMITS=off.\n\n"
    "Exit status: 0 when everything promised was kept; 1 when something was lost, doubled,"
    " misordered or refused, or the server went away; 2 when what was asked makes no sense;"
    " 130 when interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Url = Annotated[str, typer.Option(help="Base URL of the server.")]
Urls = Annotated[
    list[str],
    typer.Option(
        "--url",
        help="Base URL of the server. Give it once for each node of a deployment: people are"
        " spread over them and go on to the next when one is away.",
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="TELEGRAM_BOT_TOKEN",
        help="The server's bot token: people are made up and signed with it.",
        show_default=False,
        show_envvar=True,
    ),
]
SelfServe = Annotated[
    bool,
    typer.Option(help="Start a throw-away server with its own database for the run."),
]
Workers = Annotated[int, typer.Option(help="Processes of that server.")]
RestartEvery = Annotated[
    float,
    typer.Option(
        "--restart-every", help="Seconds between rolling restarts of that server; 0: none."
    ),
]
Duration = Annotated[float, typer.Option("--duration", help="Seconds of load.")]
Users = Annotated[int, typer.Option(help="People, each with a connection.")]
Rate = Annotated[float, typer.Option(help="Messages a second, all people together.")]
GroupSize = Annotated[
    int, typer.Option(help="Members of a chat; everybody is in about two. fanout has one chat.")
]
TextLength = Annotated[int, typer.Option(help="Characters of a message.")]
Seed = Annotated[int, typer.Option(help="Decides who says what where and when.")]
Processes = Annotated[int, typer.Option(help="Client processes.")]
Patience = Annotated[
    float,
    typer.Option("--patience", help="Seconds the server may be away before the run gives up."),
]
Drain = Annotated[
    float, typer.Option("--drain", help="Seconds to wait at the end for what is under way.")
]
MetricsToken = Annotated[
    str,
    typer.Option(envvar="METRICS_TOKEN", help="For the server's /metrics.", show_default=False),
]
KeepChats = Annotated[bool, typer.Option(help="Leave the run's chats on the server.")]
JsonPath = Annotated[
    str, typer.Option("--json", help="Write the report here; - for standard output.")
]
HtmlPath = Annotated[str, typer.Option("--html", help="Write a report with plots here.")]
RecordPath = Annotated[
    str, typer.Option("--record", help="Write the clients' histories here, for `check`.")
]

_DEFAULT_URL = "http://127.0.0.1:8000"


def _add_scenario(
    scenario: str, help_text: str, *, duration: float, users: int, rate: float, drain: float = 15.0
) -> None:
    """Make a command of a scenario; all have the same options, each its own defaults."""

    def command(
        urls: Urls = [_DEFAULT_URL],  # noqa: B006 # Typer copies it
        bot_token: Token = "",
        self_serve: SelfServe = False,
        workers: Workers = 1,
        restart_every_seconds: RestartEvery = 0.0,
        duration_seconds: Duration = duration,
        users: Users = users,
        rate: Rate = rate,
        group_size: GroupSize = 5,
        text_length: TextLength = 60,
        seed: Seed = 1,
        processes: Processes = 1,
        patience_seconds: Patience = 10.0,
        drain_seconds: Drain = drain,
        metrics_token: MetricsToken = "",
        keep_chats: KeepChats = False,
        json_path: JsonPath = "",
        html_path: HtmlPath = "",
        record_path: RecordPath = "",
    ) -> None:
        given = dict(locals())
        given.pop("scenario")  # the scope of a closure is among its locals
        _run(scenario, **given)

    app.command(scenario, help=help_text)(command)


_add_scenario("chat", "Many groups talk at a steady rate.", duration=20.0, users=100, rate=100.0)
_add_scenario(
    "fanout",
    "One group of everybody: each message goes to all.",
    duration=20.0,
    users=200,
    rate=20.0,
)
_add_scenario(
    "storm",
    "Nine in ten connect, catch up, leave and come back, as fast as they are let in.",
    duration=20.0,
    users=100,
    rate=20.0,
)
_add_scenario(
    "rest",
    "Mini Apps poll messages every 5 s and the list every 30 s, and send over REST.",
    duration=30.0,
    users=100,
    rate=10.0,
)
_add_scenario(
    "soak",
    "Everything mixed: talk, edits, deletions, reads, polls, lost connections and resumes.",
    duration=60.0,
    users=100,
    rate=50.0,
    drain=30.0,
)


@app.command()
def check(
    record: Annotated[
        str, typer.Argument(help="What a run wrote with --record.", show_default=False)
    ] = "",
    url: Url = _DEFAULT_URL,
    bot_token: Token = "",
    nodes: Annotated[int, typer.Option(help="Nodes to start.")] = 3,
    faults: Annotated[
        list[str],
        typer.Option(
            "--fault",
            help=f"Inject only this; give it several times. One of {', '.join(KINDS)}.",
            metavar="NAME",
        ),
    ] = [],  # noqa: B006 # Typer copies it
    pause_seconds: Annotated[
        float, typer.Option("--pause", help="Mean seconds between two faults; they may overlap.")
    ] = 4.0,
    redis_server: Annotated[
        str, typer.Option(help="Program to start as Redis.", show_default="looked for")
    ] = "",
    duration_seconds: Duration = 60.0,
    users: Users = 60,
    rate: Rate = 40.0,
    group_size: GroupSize = 5,
    seed: Seed = 1,
    processes: Processes = 1,
    json_path: JsonPath = "",
    html_path: HtmlPath = "",
    record_path: RecordPath = "",
) -> None:
    """Verify what survives faults.

    Without RECORD: start PostgreSQL, Redis and several nodes, let people talk through all of
    them while nodes are killed, held and restarted, Redis and PostgreSQL restarted, Redis refuses,
    and the bus between nodes is delayed, reordered, cut; then hold every client's history against
    the database.

    With RECORD: compare a recorded run with the event log of the server at --url, after whatever
    happened to it.
    """
    from rich.console import Console

    from aeon.load.check import check as check_record
    from aeon.load.cluster.conduct import CheckOptions, conduct_check
    from aeon.load.faults import UsageFault
    from aeon.load.options import Options, Scenario

    load = Options(
        scenario=Scenario.SOAK,
        self_serve=True,
        duration_seconds=duration_seconds,
        users=users,
        rate=rate,
        group_size=group_size,
        seed=seed,
        processes=processes,
        patience_seconds=120.0,
        drain_seconds=60.0,
        json_path=json_path,
        html_path=html_path,
        record_path=record_path,
    )
    options = CheckOptions(
        load=load,
        nodes=nodes,
        kinds=tuple(faults),
        redis_program=redis_server,
        pause_seconds=pause_seconds,
    )

    async def run() -> int:
        if not record:
            options.check()
            return await conduct_check(options, Console(stderr=json_path == "-"))
        if not bot_token:
            raise UsageFault("Give --bot-token (or TELEGRAM_BOT_TOKEN) of the server")
        return await check_record(record, url, bot_token, Console())

    with teach("aeon load"):
        raise typer.Exit(run_until_interrupted(run))


def _run(scenario: str, **given: Any) -> None:
    from rich.console import Console

    from aeon.load.conductor import conduct
    from aeon.load.options import Options, Scenario

    # The report may go to standard output; then everything else must not.
    console = Console(stderr=given["json_path"] == "-")
    options = Options(scenario=Scenario(scenario), urls=tuple(given.pop("urls")), **given)

    async def run() -> int:
        options.check()
        return await conduct(options, console)

    with teach("aeon load"):
        raise typer.Exit(run_until_interrupted(run))
