"""The page for client authors says what the code does: fields, codes, limits."""

from __future__ import annotations

import re

import pytest

from actors.delivery.session import CloseReason
from aeon.error_codes import ERRORS
from aeon.net.limits import NetLimits
from aeon.net.websocket import INTERNAL, MAX_WAITING_PONGS
from aeon.wire.frames import HEARTBEAT_SECONDS, MAX_FRAME_BYTES
from aeon.ws.closing import BY_REASON, CloseCode
from aeon.ws.commands import COMMANDS
from aeon.ws.dispatch import BAD_FRAMES_ALLOWED
from aeon.ws.endpoint import AUTH_SECONDS, FRAMES_BEFORE_AUTH
from storage.tables import TEXT_MAX_CHARACTERS
from tests.helpers.protocol_page import Example, examples, names, page, rows, section

BY_LIBRARIES = {1002, 1007, int(INTERNAL)}
"""Close codes of the layer below, which any WebSocket library knows."""


def test_the_table_of_commands_names_their_fields() -> None:
    shown: dict[str, dict[str, bool]] = {}
    for types, fields, _ack in rows("Commands"):
        for command in names(types):
            shown[command] = {
                name.rstrip("?"): not name.endswith("?")
                for name in re.findall(r"`(\w+\??)`", fields)
            }
    assert shown == {
        name: {field: info.is_required() for field, info in command.model.model_fields.items()}
        for name, command in COMMANDS.items()
    }


@pytest.mark.parametrize("example", [one for one in examples() if one.is_command])
def test_commands_of_the_examples_are_valid(example: Example) -> None:
    fields = {name: value for name, value in example.frame.items() if name not in ("type", "id")}
    if example.kind == "auth":
        assert len(fields) == 1
        assert fields.keys() <= {"init_data", "token"}
    else:
        COMMANDS[example.kind].model.model_validate(fields)


def test_each_way_of_closing_is_in_the_table() -> None:
    shown = {int(code) for cells in rows("Closing") for code in re.findall(r"\d{4}", cells[0])}
    assert shown == {int(code) for code in CloseCode if code is not CloseCode.NORMAL} | BY_LIBRARIES
    reasons = next(names(meaning) for code, meaning, _do in rows("Closing") if code == "4001")
    assert set(reasons) == {
        code for code, kind in ERRORS.items() if kind.socket and "close 4001" in kind.socket
    }
    missed = BY_REASON[CloseReason.MISSED_EVENTS].reason
    assert any(missed in names(meaning) for code, meaning, _do in rows("Closing") if code == "4500")


def test_reasons_in_the_examples_are_those_that_are_sent() -> None:
    shown = set(re.findall(r'^← close (\d+) "(\w+)"', page(), re.MULTILINE))
    assert shown == {
        (str(int(closing.code)), closing.reason)
        for closing in (BY_REASON[CloseReason.TOO_SLOW], BY_REASON[CloseReason.SHUTDOWN])
    }


def test_limits_are_those_in_force() -> None:
    limits = {what: (limit, beyond) for what, limit, beyond in rows("Limits")}
    net = NetLimits()
    assert limits["a frame"][0] == f"{MAX_FRAME_BYTES:,} bytes".replace(",", " ")
    assert limits["`text`"][0] == f"{TEXT_MAX_CHARACTERS} characters (Unicode code points)"
    bad, before = re.findall(r"\d+", limits["frames that make no sense"][0])
    assert (int(bad), int(before)) == (BAD_FRAMES_ALLOWED, FRAMES_BEFORE_AUTH)
    assert limits["what waits for a reader"][0] == (
        f"{net.max_pending_frames} frames or {net.max_pending_bytes // 1024**2} MiB"
    )
    assert limits["a reader"][0].endswith(f"within {net.send_stall_seconds:.0f} seconds")
    pings = limits["pings of yours (WebSocket's own)"][0]
    assert pings == f"{MAX_WAITING_PONGS} answers wait for a reader"
    assert limits["silence"][0] == (
        f"the server pings every {HEARTBEAT_SECONDS} seconds and drops a peer that does not"
        f" answer within {net.heartbeat_timeout_seconds:.0f}"
    )
    assert f"within {AUTH_SECONDS:.0f} seconds" in section("Connect")
