"""The API description: complete, consistent, and true to the models."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from pydantic import TypeAdapter

from aeon import ws
from aeon.api.error_description import error_table, socket_error_table
from aeon.api.openapi import codes_of, describe_api
from aeon.api.route import Route, is_match
from aeon.api.routes import ROUTES
from aeon.error_codes import ERRORS

DESCRIPTION: dict[str, Any] = orjson.loads(orjson.dumps(describe_api(ROUTES, title="Aeon")))
ONLY_REALTIME = {"unauthenticated", "auth_timeout", "invalid_frame", "unknown_type"}


def test_every_route_is_described() -> None:
    for route in ROUTES:
        operation = DESCRIPTION["paths"][route.path][route.method.lower()]
        assert operation["summary"]
        assert operation["description"]
        named = set(re.findall(r"{(\w+)}", route.path))
        assert named == {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    text = orjson.dumps(DESCRIPTION).decode()
    schemas = DESCRIPTION["components"]["schemas"]
    found = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', text))
    assert found <= schemas.keys()
    assert '"$defs"' not in text


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_examples_are_true_to_their_models(route: Route) -> None:
    TypeAdapter(route.returns).validate_json(orjson.dumps(route.example))
    if route.body is not None and route.body_example is not None:
        route.body.model_validate(route.body_example)


def test_every_error_is_in_the_table_and_somewhere_in_the_description() -> None:
    listed = {code for route in ROUTES for code in codes_of(route)}
    assert listed <= ERRORS.keys()
    anywhere = {"not_found", "method_not_allowed", "upgrade_required"}
    text = orjson.dumps(DESCRIPTION["paths"]).decode()
    shown = {code for code in ERRORS if f'"{code}":{{"value"' in text}
    assert ERRORS.keys() - shown - anywhere - ONLY_REALTIME == set()


def test_the_table_of_errors_is_shown_whole() -> None:
    shown = DESCRIPTION["info"]["description"]
    assert error_table() in shown
    for code, kind in ERRORS.items():
        retry = "yes " if kind.retryable else ""
        socket = f"{kind.socket} " if kind.socket else ""
        assert f"| `{code}` | {int(kind.status)} | {socket}| {retry}| {kind.message} |" in shown


def test_the_protocol_shows_what_a_socket_meets() -> None:
    """Written from the table: ``aeon.api.error_description.socket_error_table``."""
    protocol = (Path(ws.__file__).parent / "PROTOCOL.md").read_text()
    assert socket_error_table() in protocol
    assert {code for code, kind in ERRORS.items() if kind.socket} >= ONLY_REALTIME


def test_a_separate_validator_finds_it_valid() -> None:
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_the_validator_finds_faults() -> None:
    broken = deepcopy(DESCRIPTION)
    del broken["paths"]["/api/v1/chats/"]["get"]["responses"]["200"]["description"]
    with pytest.raises(OpenAPIValidationError):
        OpenAPIV31SpecValidator(broken).validate()


def test_security_is_stated_on_every_operation() -> None:
    for route in ROUTES:
        operation = DESCRIPTION["paths"][route.path][route.method.lower()]
        assert bool(operation["security"]) is route.needs_login
        assert ("401" in operation["responses"]) is (
            route.needs_login or "init_data_missing" in route.errors
        )


def test_writes_refuse_unknown_fields_and_state_their_limits() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for route in ROUTES:
        if route.body is not None:
            assert schemas[route.body.__name__]["additionalProperties"] is False
    send = schemas["SendMessageInput"]["properties"]
    assert send["text"]["anyOf"][0]["maxLength"] == 4096
    assert send["chat_id"]["maximum"] == 2**53 - 1


def test_limits_stand_in_the_text() -> None:
    text = DESCRIPTION["info"]["description"]
    for limit in ("4096 characters", "255 characters", str(2**53 - 1), "`MAX_CHAT_MEMBERS`"):
        assert limit in text


@pytest.mark.parametrize(
    ("header", "etag", "expected"),
    [
        (None, '"a"', False),
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"x", W/"a"', 'W/"a"', True),
        ('"x"', '"a"', False),
        ("*", '"a"', True),
    ],
)
def test_if_none_match(header: str | None, etag: str, expected: bool) -> None:
    assert is_match(header, etag) is expected
