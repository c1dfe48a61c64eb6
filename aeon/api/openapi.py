"""Writes the OpenAPI 3.1 description from the route table and the models."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from aeon.api.error_description import (
    DATABASE_ERRORS,
    LOGIN_ERRORS,
    error_responses,
    error_table,
)
from aeon.api.media_description import media_paths
from aeon.api.route import Route
from aeon.config import Settings
from aeon.limits import Kind
from aeon.version import VERSION
from aeon.wire.requests import MAX_EVENTS, MAX_MEMBER_IDS, MAX_PAGE_ITEMS
from aeon.wire.schemas import ErrorAnswer
from aeon.wire.text import BIO_MAX_CHARACTERS, DESCRIPTION_MAX_CHARACTERS
from storage.ids import MAX_ID
from storage.tables import (
    CAPTION_MAX_CHARACTERS,
    CLIENT_MSG_ID_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    TITLE_MAX_CHARACTERS,
)

Json = dict[str, Any]

_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_TEXTS: Final = frozenset({"session_id", "kind", "key"})
"""Parts of a path that are no number."""
_SECURITY: Final[list[Json]] = [{"initData": []}, {"accessToken": []}]
_OPERATORS: Final[list[Json]] = [*_SECURITY, {"adminToken": []}]
_TAGS: Final[list[Json]] = [
    {"name": "people", "description": "Yourself and people you may see."},
    {"name": "sessions", "description": "Access tokens."},
    {"name": "administration", "description": "For administrators of the server."},
    {
        "name": "operations",
        "description": "For operators: the people of `ADMIN_TELEGRAM_IDS`, and whoever holds"
        " `ADMIN_TOKEN`. Numbers, never content; every request is written down.",
    },
    {"name": "chats", "description": "Private chats, groups and channels."},
    {"name": "members", "description": "Who is in a chat, and with which rights."},
    {"name": "messages", "description": "What is said."},
    {"name": "files", "description": "What messages carry beside text."},
    {"name": "service", "description": "The server itself; no log-in needed."},
]
_INTRODUCTION: Final = """\
Log in with the init data that Telegram signs for your Mini App, in the header
`X-Telegram-Init-Data`, or trade it once for an access token.

A chat that does not exist and one you are not in give the same answer: 403 `not_a_member`.
Every failure has a stable `code`; what the codes mean, and whether trying again helps:

"""


def describe_api(routes: Sequence[Route], *, title: str) -> Json:
    """Describe every route, with models, errors and examples."""
    schemas, components = _schemas(routes)
    paths: defaultdict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, schemas)
    paths.update(media_paths(_SECURITY))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": VERSION,
            "description": f"{_INTRODUCTION}{error_table()}\n\n{limit_table()}",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": _TAGS,
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "initData": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Telegram-Init-Data",
                    "description": "Telegram.WebApp.initData as it is.",
                },
                "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "adminToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "ADMIN_TOKEN of the server's settings; for operators.",
                },
            },
        },
    }


def limit_table() -> str:
    """Write the table of limits as Markdown; what operators choose, by its default and name."""
    chosen = Settings.model_fields
    limits: Json = {
        "text of a message": f"{TEXT_MAX_CHARACTERS} characters",
        "text with a file": f"{CAPTION_MAX_CHARACTERS} characters",
        "title of a chat": f"{TITLE_MAX_CHARACTERS} characters",
        "description of a chat": f"{DESCRIPTION_MAX_CHARACTERS} characters",
        "bio": f"{BIO_MAX_CHARACTERS} characters",
        "`client_msg_id`": f"{CLIENT_MSG_ID_MAX_CHARACTERS} characters",
        "ids": f"1 to {MAX_ID}",
        "items of a page": f"{MAX_PAGE_ITEMS}; events {MAX_EVENTS}",
        "people named when a chat is made": MAX_MEMBER_IDS,
    }
    limits |= {
        "members of a chat (`MAX_CHAT_MEMBERS`)": chosen["max_chat_members"].default,
        "bytes of a body (`MAX_BODY_BYTES`)": chosen["max_body_bytes"].default,
        "bytes of a file (`MAX_FILE_SIZE`)": chosen["max_file_size"].default,
    }
    lines = ["| limit | most, unless this server was set up otherwise |", "|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {most} |" for what, most in limits.items())])


def codes_of(route: Route) -> tuple[str, ...]:
    """List every code a route may fail with."""
    codes: list[str] = [*route.errors]
    if route.needs_login:
        codes += [*LOGIN_ERRORS, *DATABASE_ERRORS]
    if route.rate is not None or route.needs_login:
        codes.append("rate_limited")
    if route.body is not None or route.query is not None or _PARAMETER.search(route.path):
        codes.append("invalid_field")
    if route.body is not None:
        codes += ["invalid_json", "payload_too_large", "request_timeout", "bad_request"]
    if route.rate in (Kind.SEND, Kind.CHANGE):
        codes += ["outcome_unknown", "invalid_data", "conflict"]
    codes.append("internal_error")
    return tuple(dict.fromkeys(codes))


def is_cached(route: Route) -> bool:
    """Whether clients may keep the answer, and ask if it is still right."""
    return route.method == "GET" and route.tag != "service" and not route.for_operators


def _schemas(routes: Sequence[Route]) -> tuple[Mapping[object, Json], Json]:
    """Give each model its schema, and all models of the description once."""
    models: set[type[BaseModel]] = {ErrorAnswer}
    models |= {route.body for route in routes if route.body is not None}
    answers = {id(route.returns): route.returns for route in routes}
    # ``returns`` is a type expression, which no annotation before Python 3.14 can say.
    adapters: dict[int, TypeAdapter[Any]] = {
        key: TypeAdapter(cast("Any", kind)) for key, kind in answers.items()
    }
    inputs, definitions = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template=_REF_TEMPLATE,
    )
    outputs, more = TypeAdapter.json_schemas(
        [(key, "validation", adapter) for key, adapter in adapters.items()],
        ref_template=_REF_TEMPLATE,
    )
    components = {**more.get("$defs", {}), **definitions.get("$defs", {})}
    found: dict[object, Json] = {model: schema for (model, _), schema in inputs.items()}
    found |= {key: schema for (key, _), schema in outputs.items()}
    return found, dict(sorted(components.items()))


def _operation(route: Route, schemas: Mapping[object, Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.description,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "security": _security(route),
        "responses": _responses(route, schemas),
    }
    if is_cached(route):
        operation["parameters"].append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "ETag of what you have; 304 when it is still right.",
                "schema": {"type": "string"},
            }
        )
    if route.body is not None:
        content: Json = {"schema": schemas[route.body]}
        if route.body_example is not None:
            content["example"] = route.body_example
        operation["requestBody"] = {
            "required": not route.is_body_optional,
            "content": {"application/json": content},
        }
    return operation


def _security(route: Route) -> list[Json]:
    if route.for_operators:
        return _OPERATORS
    return _SECURITY if route.needs_login else []


def _path_parameters(route: Route) -> list[Json]:
    number: Json = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
    text: Json = {"type": "string", "minLength": 1}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": text if name in _TEXTS else number,
        }
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[Json]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF_TEMPLATE)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _plain(property_schema),
        }
        for name, property_schema in schema.get("properties", {}).items()
    ]


def _plain(schema: Json) -> Json:
    """A query has no null: an optional parameter is one that may be left out."""
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) != 1:
        return schema
    return cast("Json", options[0])


def _responses(route: Route, schemas: Mapping[object, Json]) -> Json:
    content: Json = {"schema": schemas[id(route.returns)]}
    if route.example is not None:
        content["example"] = route.example
    success: Json = {"description": "Done", "content": {route.media_type: content}}
    responses: Json = {"200": success}
    if is_cached(route):
        success["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "What you have is still right"}
    responses |= error_responses(codes_of(route))
    if route.name == "get_readiness":
        responses["503"] = {"description": "Not now", "content": {"application/json": content}}
    return responses
