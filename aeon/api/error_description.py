"""How failures are described in ``/openapi.json``: by status, every code with an example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from aeon.error_codes import CHECKSUM_MISMATCH, ERRORS

Json = dict[str, Any]

LOGIN_ERRORS: Final = (
    "init_data_missing",
    "init_data_invalid",
    "init_data_expired",
    "token_invalid",
    "token_expired",
    "login_unavailable",
)
DATABASE_ERRORS: Final = ("unavailable", "overloaded")
_PHRASES: Final = {CHECKSUM_MISMATCH: "Checksum Mismatch"}


def error_responses(codes: Iterable[str]) -> Json:
    """Describe every status that these codes come with."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[int(ERRORS[code].status)].append(code)
    return {
        str(status): error_response(status, found) for status, found in sorted(by_status.items())
    }


def error_response(status: int, codes: Sequence[str]) -> Json:
    """Describe one status with all the codes it comes with."""
    response: Json = {
        "description": f"{_phrase(status)}: {', '.join(f'`{code}`' for code in codes)}",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorAnswer"},
                "examples": {code: {"value": _error_example(code)} for code in codes},
            }
        },
    }
    if any(ERRORS[code].retryable for code in codes):
        response["headers"] = {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
        }
    return response


def _error_example(code: str) -> Json:
    kind = ERRORS[code]
    example: Json = {"error": kind.message, "code": code, "status_code": int(kind.status)}
    if code == "invalid_field":
        fault = {"field": "chat_id", "message": "Field required", "code": "invalid_field"}
        example["details"] = [fault]
    return example


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def error_table() -> str:
    """Write the whole table as Markdown, for users of REST."""
    lines = [
        "| code | status | over WebSocket | retry helps | meaning |",
        "|---|---|---|---|---|",
    ]
    for code, kind in ERRORS.items():
        cells = (f"`{code}`", int(kind.status), kind.socket, _retry(code), kind.message)
        lines.append(_row(cells))
    return "\n".join(lines)


def socket_error_table() -> str:
    """Write as Markdown what a WebSocket client may meet; ``PROTOCOL.md`` has it as it is."""
    lines = ["| code | how | retry helps | meaning |", "|---|---|---|---|"]
    for code, kind in ERRORS.items():
        if kind.socket:
            lines.append(_row((f"`{code}`", kind.socket, _retry(code), kind.message)))
    return "\n".join(lines)


def _retry(code: str) -> str:
    return "yes" if ERRORS[code].retryable else ""


def _row(cells: Iterable[object]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in map(str, cells)) + "|"
