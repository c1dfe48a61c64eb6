"""Histories of a run on disk: what the clients knew, to be checked against the server later.

So a run can be broken by what it is to survive (the server killed, the machine restarted, the
disk full), and ``aeon load check`` still tells whether anything that was acked is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from aeon.load.faults import UsageFault
from aeon.load.plan import ChatPlan
from aeon.load.verdict import Evidence

SCHEMA: Final = "aeon-load-record/1"


@dataclass(frozen=True, slots=True)
class Record:
    """What a run left behind."""

    run: str
    chats: tuple[ChatPlan, ...]
    evidence: Evidence


def write_record(path: str, run: str, chats: Sequence[ChatPlan], evidence: Evidence) -> None:
    """Write a record."""
    data = {
        "schema": SCHEMA,
        "run": run,
        "chats": [[chat.chat_id, chat.baseline, chat.members] for chat in chats],
        "evidence": evidence.to_json(),
    }
    Path(path).write_bytes(orjson.dumps(data))


def read_record(path: str) -> Record:
    """Read a record.

    Raises:
        UsageFault: there is none, or it is something else.
    """
    try:
        data = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageFault(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise UsageFault(f"{path} is no record of a load run: it is not JSON") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise UsageFault(f"{path} is no record of a load run that this version reads ({SCHEMA})")
    return Record(
        run=data["run"],
        chats=tuple(ChatPlan(chat, base, tuple(ids)) for chat, base, ids in data["chats"]),
        evidence=Evidence.from_json(data["evidence"]),
    )
