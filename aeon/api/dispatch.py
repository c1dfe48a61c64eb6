"""Runs a route: who, how often, what exactly; then the handler; then its answer as bytes.

Whatever fails becomes a line of ``aeon.errors``. Neither query strings nor bodies are logged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import orjson
import structlog
from pydantic import BaseModel, ValidationError
from quart import Request, Response, g, has_request_context, request
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
    RequestTimeout,
)
from werkzeug.routing import WebsocketMismatch

from aeon.admin.access import Visit, run_for_operator
from aeon.api.route import Answer, Call, Route, is_match
from aeon.auth.authenticate import Credentials, authenticate
from aeon.auth.principal import Principal
from aeon.auth.rates import check_rate, check_rate_of
from aeon.errors import EdgeError, Fault, FieldFault, InvalidInput, describe, fault
from aeon.services import Services
from aeon.wire.requests import field_errors

CACHE_CONTROL: Final = "private, no-cache"
VARY: Final = "Origin, Authorization, X-Telegram-Init-Data"
JSON: Final = "application/json"
BODY_TIMEOUT_SECONDS: Final = 30

_log = structlog.get_logger(__name__)


def view(services: Services, route: Route) -> Callable[..., Awaitable[Response]]:
    """Make the function that Quart calls for a route."""

    async def run(**path: str) -> Response:
        try:
            return _respond(await _run(services, route, path))
        # The one place where a request's failure becomes its answer.
        except Exception as error:  # noqa: BLE001
            return failure(error, route.path)

    run.__name__ = route.name
    return run


def failure(error: Exception, where: str) -> Response:
    """Turn what was raised into an answer, and log what nobody foresaw."""
    if isinstance(error, HTTPException):
        response = error_response(_http_fault(error))
        if isinstance(error, MethodNotAllowed):
            # OPTIONS is answered at every address.
            allowed = {*(error.valid_methods or ()), "OPTIONS"}
            response.headers["Allow"] = ", ".join(sorted(allowed))
        if response.status_code == HTTPStatus.UPGRADE_REQUIRED and request.http_version != "2":
            # HTTP/2 has no such headers: there a WebSocket comes by CONNECT.
            response.headers["Upgrade"] = "websocket"
            response.headers["Connection"] = "upgrade"
        return response
    found = describe(error)
    if found.is_bug:
        _log.error("request_failed", route=where, request_id=request_id(), exc_info=error)
    elif found.status_code >= 500:
        _log.warning(
            "request_refused",
            route=where,
            request_id=request_id(),
            code=found.code,
            error=type(error).__name__,
        )
    return error_response(found)


def error_response(found: Fault) -> Response:
    """Encode a failure."""
    body: dict[str, object] = {
        "error": found.message,
        "code": found.code,
        "status_code": found.status_code,
    }
    if found.details:
        body["details"] = [
            {"field": one.field, "message": one.message, "code": one.code} for one in found.details
        ]
    if found.is_bug:
        body["request_id"] = request_id()
    response = Response(orjson.dumps(body), found.status_code, content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    if found.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(found.retry_after_seconds)))
    if found.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="aeon"'
    return response


def request_id() -> str | None:
    """Give the id of the request under way."""
    value: object = g.get("request_id")
    return value if isinstance(value, str) else None


async def _run(services: Services, route: Route, path: Mapping[str, str]) -> Answer:
    if route.for_operators:
        visit = Visit(
            action=route.name,
            path=path,
            is_reading=route.method == "GET",
            credentials=credentials_of(request),
            address=request.remote_addr or "",
            request_id=request_id(),
        )
        return await run_for_operator(services, visit, lambda: _handle(services, route, path, None))
    principal: Principal | None = None
    if route.needs_login:
        principal = await authenticate(services, credentials_of(request))
        if route.rate is not None:
            check_rate(services, principal, route.rate)
    elif route.rate is not None:
        check_rate_of(services, request.remote_addr or "", route.rate)
    return await _handle(services, route, path, principal)


async def _handle(
    services: Services, route: Route, path: Mapping[str, str], principal: Principal | None
) -> Answer:
    call = Call(
        services=services,
        path=path,
        base_url=base_url(services),
        if_none_match=request.headers.get("If-None-Match"),
        maybe_principal=principal,
        maybe_query=None if route.query is None else _query(route, route.query),
        maybe_body=None if route.body is None else await _body(services, route, route.body),
    )
    return await route.handler(call)


def base_url(services: Services) -> str:
    """Say where this request's client reaches the server.

    Nothing, which makes links relative, if its Host header is missing or makes no sense.
    """
    if services.settings.public_url is not None:
        return services.settings.public_url
    return f"{request.scheme}://{request.host}" if request.host else ""


def credentials_of(asked: Request) -> Credentials:
    """Read credentials from the headers, init data first."""
    init_data = asked.headers.get("X-Telegram-Init-Data", "").strip()
    if init_data:
        return Credentials(init_data=init_data)
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return Credentials(token=token.strip())
    return Credentials()


def _query(route: Route, model: type[BaseModel]) -> BaseModel:
    given = {name: values[0] for name, values in request.args.lists()}
    if route.method == "GET":
        # A read may carry what it does not need (a cache buster); a write may not.
        given = {name: value for name, value in given.items() if name in model.model_fields}
    return _validate(model, given)


async def _body(services: Services, route: Route, model: type[BaseModel]) -> BaseModel | None:
    raw = await request.get_data(cache=False)
    if len(raw) > services.settings.max_body_bytes:
        raise EdgeError("payload_too_large")
    if not raw:
        if route.is_body_optional:
            return None
        raise InvalidInput([FieldFault("", "a JSON object is needed")])
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise EdgeError("invalid_json") from None
    if not isinstance(given, dict):
        raise InvalidInput([FieldFault("", "must be a JSON object")])
    return _validate(model, given)


def _validate(model: type[BaseModel], given: Mapping[str, object]) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(field_errors(error)) from None


def _respond(answer: Answer) -> Response:
    if answer.status == 304:
        response = Response(b"", 304)
    elif isinstance(answer.value, bytes):
        response = Response(answer.value, answer.status, content_type=answer.content_type)
    elif isinstance(answer.value, AsyncIterator):
        response = _stream(answer, answer.value)
    else:
        response = Response(orjson.dumps(answer.value), answer.status, content_type=JSON)
    response.headers.update(answer.headers)
    if request.method not in ("GET", "HEAD"):
        response.headers.setdefault("Cache-Control", "no-store")
        return response
    _revalidate(response, answer)
    return response


def _stream(answer: Answer, events: AsyncIterator[bytes]) -> Response:
    """Send as it comes, for as long as it comes."""
    body = b"" if request.method == "HEAD" else events
    response = Response(body, answer.status, content_type=answer.content_type)
    response.timeout = None
    return response


def _revalidate(response: Response, answer: Answer) -> None:
    """Let the client keep a GET's answer, and ask whether it is still right."""
    response.headers.setdefault("Cache-Control", CACHE_CONTROL)
    if response.headers["Cache-Control"] == "no-store":
        return
    etag = answer.etag
    if etag is None:
        content = response.response.data if hasattr(response.response, "data") else b""
        etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    response.headers["ETag"] = etag
    if answer.status == 200 and is_match(request.headers.get("If-None-Match"), etag):
        response.status_code = 304
        response.set_data(b"")
        response.headers.pop("Content-Type", None)
        response.headers.pop("Content-Length", None)


def _http_fault(error: HTTPException) -> Fault:
    """Werkzeug's own refusals: no such route, no such method, a body too large or too slow."""
    if isinstance(error, RequestEntityTooLarge):
        return fault("payload_too_large")
    if isinstance(error, RequestTimeout):
        return fault("request_timeout")
    if isinstance(error, WebsocketMismatch) and has_request_context():
        return fault("upgrade_required")
    codes = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
    status = error.code or 500
    if status in codes:
        return fault(codes[status])
    return fault("bad_request" if status < 500 else "internal_error")
