"""Requests made up from the API description never meet a fault or an undescribed answer."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aeon.config import Settings
from tests.helpers.clients import Rest, Server

ANNA, BORIS, OPERATOR = 1001, 1002, 1003
EXAMPLES = int(os.environ.get("AEON_DESCRIPTION_EXAMPLES", "12"))
"""Per operation; raise it for a longer run."""
ENDLESS = {"GET /api/v1/admin/stream"}
"""Answers that do not end by themselves; tests/e2e/operators has them."""
BYTES = {"PATCH /api/v1/uploads/{upload_id}", "POST /api/v1/uploads/{upload_id}"}
"""Pieces of a file are no JSON to make up; tests/e2e/media has them."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"admin_telegram_ids": frozenset({OPERATOR})})


async def test_made_up_requests(server: Server) -> None:
    async with (
        server.person(BORIS, "Boris", username="boris"),
        server.person(ANNA, username="anna") as anna,
        server.person(OPERATOR) as operator,
    ):
        chat_id = await anna.create_group(BORIS)
        message = await anna.send(chat_id, "Hello")
        description = await anna.get("/openapi.json")
        known: dict[str, int | str] = {
            "chat_id": chat_id,
            "message_id": message["id"],
            "user_id": BORIS,
            "kind": "chat",
            "key": chat_id,
        }
        await trio.to_thread.run_sync(
            _ask_everything, description, anna, operator, server.url, known
        )


def _ask_everything(
    description: dict[str, Any],
    anna: Rest,
    operator: Rest,
    url: str,
    known: dict[str, int | str],
) -> None:
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=url)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.label in BYTES:
            continue

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            response = case.call(headers=anna.headers)
            case.validate_response(response, checks=CHECKS)
            # Once more about things that are there, so that more than refusals are seen.
            for name in case.path_parameters:
                if name in known:
                    case.path_parameters[name] = known[name]
            label, tags = case.operation.label, case.operation.definition.raw["tags"]
            if case.method != "DELETE" and label not in ENDLESS:
                who = operator if "operations" in tags else anna
                response = case.call(headers=who.headers)
                case.validate_response(response, checks=CHECKS)

        ask()
