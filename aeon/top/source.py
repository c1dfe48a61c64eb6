"""Where the figures come from: the operators' API of one node, asked with a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import trio

from aeon.load.endpoint import Endpoint
from aeon.load.faults import LoadFault, Refused, ServerGone, UsageFault
from aeon.load.http import BadAnswer, HttpClient
from aeon.top.options import Kind

Json = Mapping[str, Any]

BASE: Final = "/api/v1/admin"
ANSWER_SECONDS: Final = 5.0
STUCK_SECONDS: Final = 1.0
MAX_ROWS: Final = 100
_STUCK_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at a node."""

    system: Json
    page: Json
    """Actors in the order that was asked for."""
    stuck: tuple[Json, ...]
    """At one message for longer than ``STUCK_SECONDS``, the longest first."""

    def as_json(self) -> dict[str, object]:
        """Give it for ``--json``."""
        return {"system": self.system, "actors": self.page["actors"], "stuck": list(self.stuck)}


class Source:
    """Asks one node. Its token travels in a header only."""

    def __init__(self, endpoint: Endpoint, token: str) -> None:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise UsageFault("the admin token holds characters that no header can carry")
        self._endpoint = endpoint
        self._client = HttpClient(endpoint)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def look(self, *, sort: str, kind: Kind | None, limit: int) -> Figures:
        """Ask for everything that is shown.

        Raises:
            ServerGone: the node can not be reached, or did not answer in time.
            Refused: it answered, but does not accept the token or the question.
            LoadFault: what answered is no Aeon.
        """
        query = {"sort": sort, "limit": str(limit)} | ({"kind": kind} if kind else {})
        longest = {"sort": "current", "limit": str(_STUCK_ROWS)}
        system = await self._get("system")
        page = await self._get("actors", query)
        at_work = await self._get("actors", longest)
        if "node" not in system or not _has_rows(page) or not _has_rows(at_work):
            raise self._no_aeon()
        stuck = tuple(
            row for row in at_work["actors"] if (row.get("current_seconds") or 0) > STUCK_SECONDS
        )
        return Figures(system, page, stuck)

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        target = f"{BASE}/{path}" + (f"?{urlencode(query)}" if query else "")
        url = self._endpoint.url
        try:
            with trio.fail_after(ANSWER_SECONDS):
                reply = await self._client.request("GET", target, headers=self._headers)
        except trio.TooSlowError:
            raise ServerGone(f"{url} did not answer within {ANSWER_SECONDS:g} s") from None
        except BadAnswer as error:
            raise LoadFault(f"{url} does not speak HTTP: {error}") from None
        except OSError as error:
            raise ServerGone(f"{url} can not be reached: {error.strerror or error}") from None
        body = reply.json()
        if reply.status >= 500:
            raise ServerGone(f"{url} answered with status {reply.status}")
        if reply.status != 200:
            raise self._refusal(reply.status, body)
        if not isinstance(body, dict):
            raise self._no_aeon()
        return body

    def _refusal(self, status: int, body: object) -> LoadFault:
        if not isinstance(body, dict) or "code" not in body:
            return self._no_aeon()
        if status in (401, 403, 404):
            return Refused(
                f"{self._endpoint.url} does not accept this admin token (status {status});"
                " it has to be the ADMIN_TOKEN that the server was started with"
            )
        return Refused(f"{self._endpoint.url} refused: {body.get('error')} (status {status})")

    def _no_aeon(self) -> LoadFault:
        return LoadFault(f"{self._endpoint.url} answers, but not as an Aeon server does")


def _has_rows(page: Json) -> bool:
    return isinstance(page.get("actors"), list)
