"""How failures are described in ``/openapi.json``: by status, every code with an example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from aeon.errors import ERRORS

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
_PHRASES: Final = {460: "Checksum Mismatch"}


def error_responses(codes: Iterable[str]) -> Json:
    """Describe every status that these codes come with."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[ERRORS[code].status.value].append(code)
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
    example: Json = {"error": kind.message, "code": code, "status_code": kind.status.value}
    if code == "invalid_field":
        fault = {"field": "chat_id", "message": "Field required", "code": "invalid_field"}
        example["details"] = [fault]
    return example


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase
