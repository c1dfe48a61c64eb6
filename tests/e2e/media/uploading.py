"""Uploads and downloads for the tests of this folder."""

from typing import Any

import httpx

from tests.helpers.clients import Rest, ok

UPLOAD = "/api/v1/messages/upload-media"


async def upload(
    person: Rest, content: bytes, name: str = "file.bin", **fields: str
) -> dict[str, Any]:
    response = await try_upload(person, content, name, **fields)
    answer: dict[str, Any] = ok(response)
    return answer


async def try_upload(
    person: Rest, content: bytes, name: str = "file.bin", **fields: str
) -> httpx.Response:
    return await person.request(
        "POST", UPLOAD, files={"file": (name, content, "application/x-lie")}, data=fields
    )


async def fetch(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Load a link as a browser's <img> does: without credentials."""
    async with httpx.AsyncClient() as http:
        return await http.request(method, url, headers=headers)
