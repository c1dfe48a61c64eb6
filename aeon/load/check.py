"""``aeon load check``: recorded histories against the server's event log, after the faults."""

from __future__ import annotations

from rich.console import Console

from aeon.load.endpoint import find
from aeon.load.http import HttpClient
from aeon.load.read_back import compare_with_server
from aeon.load.record import read_record
from aeon.load.stage import Stage
from aeon.load.summary import show_verdict
from aeon.load.verdict import judge


async def check(path: str, url: str, bot_token: str, console: Console) -> int:
    """Check a record; returns the exit status.

    Raises:
        UsageFault: no such record, no such server, not its token.
        LoadFault: the server refused, or stopped answering.
    """
    record = read_record(path)
    endpoint = await find(url)
    with HttpClient(endpoint) as http:
        stage = Stage(endpoint, http, record.run)
        await stage.check_server()
        owners = list(dict.fromkeys(chat.members[0] for chat in record.chats))
        await stage.log_in(bot_token, owners)
        # How far the record goes is known; what the run was broken off before is not.
        verdict = judge(record.evidence, is_complete=False)
        with console.status(f"Comparing {len(record.chats)} chats"):
            verdict.add(await compare_with_server(stage, record.run, record.chats, record.evidence))
    show_verdict(console, {**verdict.to_json(), "compared_with_event_log": True})
    return 0 if verdict.is_clean else 1
