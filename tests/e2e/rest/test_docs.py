"""Pages for people: from this server alone, and working in a real browser."""

import re

import orjson
import pytest

from aeon.api.docs import ASSETS, STATIC_PATH
from aeon.api.routes import ROUTES
from tests.helpers.browser import CHROMIUM, open_page
from tests.helpers.clients import Server

ANNA = 1001
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium package")


async def test_the_front_page_is_json_or_a_page(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for_programs = await anna.http.get("/")
        for_people = await anna.http.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert for_programs.json().keys() == {"message", "version", "status"}
    assert for_programs.json()["status"] == "running"
    assert for_people.headers["Content-Type"].startswith("text/html")
    for link in ("/docs", "/redoc", "/openapi.json", "/admin", "/api/v1/health"):
        assert f'href="{link}"' in for_people.text


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/", "/redoc"])
async def test_pages_name_no_other_address(server: Server, path: str) -> None:
    async with server.person(ANNA) as anna:
        page = await anna.http.get(path, headers={"Accept": "text/html"})
        used = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        for address in used:
            assert address.startswith("/")
            assert (await anna.http.get(address)).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy


async def test_assets_are_revalidated_and_zipped(server: Server) -> None:
    async with server.person(ANNA) as anna:
        for name in ASSETS:
            path = STATIC_PATH + name
            plain = await anna.http.get(path, headers={"Accept-Encoding": "identity"})
            zipped = await anna.http.get(path, headers={"Accept-Encoding": "gzip"})
            again = await anna.http.get(path, headers={"If-None-Match": plain.headers["ETag"]})
            assert plain.content == zipped.content
            assert "Content-Encoding" not in plain.headers
            assert zipped.headers["Content-Encoding"] == "gzip"
            assert (again.status_code, again.content) == (304, b"")
        for path in ("x", "..%2f..%2fapp.py", "licenses"):
            assert (await anna.http.get(STATIC_PATH + path)).status_code == 404


async def test_the_description_is_served(server: Server) -> None:
    async with server.person(ANNA) as anna:
        answer = await anna.http.get("/openapi.json")
    description = orjson.loads(answer.content)
    assert description["openapi"] == "3.1.0"
    assert len(description["paths"]) >= len({route.path for route in ROUTES})


@in_browser
async def test_swagger_ui_sends_requests(server: Server) -> None:
    async with server.person(ANNA) as anna, open_page() as page:
        await page.go(f"{server.url}/docs")
        shown = await page.wait_for("document.querySelectorAll('.opblock').length")
        await page.evaluate(
            f"ui.preauthorizeApiKey('initData', {orjson.dumps(anna.headers).decode()}"
            "['X-Telegram-Init-Data'])"
        )
        block = "#operations-people-get_me"
        await page.evaluate(f"document.querySelector('{block} .opblock-summary-control').click()")
        await page.wait_for(f"!!document.querySelector('{block} .try-out__btn')")
        await page.evaluate(f"document.querySelector('{block} .try-out__btn').click()")
        await page.wait_for(f"!!document.querySelector('{block} .execute')")
        await page.evaluate(f"document.querySelector('{block} .execute').click()")
        body = await page.wait_for(
            f"document.querySelector('{block} .live-responses-table')?.innerText"
        )
        warned = await page.evaluate("document.querySelector('.errors-wrapper')?.innerText ?? ''")
    assert warned == ""
    assert shown >= len(ROUTES)
    assert '"telegram_id": 1001' in body
    assert page.complaints == []
    assert all(one.startswith((server.url, "data:", "blob:")) for one in page.addresses)


@in_browser
async def test_swagger_ui_fits_a_phone(server: Server) -> None:
    async with open_page() as page:
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=390, height=844, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        await page.go(f"{server.url}/docs")
        await page.wait_for("!!document.querySelector('.info table')")
        await page.wait_for("document.querySelectorAll('.opblock').length")
        assert await page.evaluate("document.documentElement.scrollWidth") == 390


@in_browser
async def test_redoc_shows_every_operation(server: Server) -> None:
    async with open_page() as page:
        await page.go(f"{server.url}/redoc")
        await page.wait_for("document.body.innerText.includes('Is it ready for traffic')")
        text = await page.evaluate("document.body.innerText")
    for route in ROUTES:
        assert route.summary in text
    assert page.complaints == []
    assert all(one.startswith((server.url, "data:", "blob:")) for one in page.addresses)


@in_browser
async def test_only_the_front_page_goes_dark(server: Server) -> None:
    canvas = (
        "document.body.style.backgroundColor = 'Canvas',"
        " getComputedStyle(document.body).backgroundColor"
    )
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    canvases = {}
    async with open_page() as page:
        await page.call("Emulation.setEmulatedMedia", features=[dark])
        for path, shown in (("/", "nav a"), ("/redoc", "#redoc"), ("/docs", "#swagger")):
            await page.go(server.url + path)
            await page.wait_for(
                f"location.pathname === '{path}' && document.readyState === 'complete'"
                f" && !!document.querySelector('{shown}')"
            )
            canvases[path] = await page.evaluate(canvas)
    white = "rgb(255, 255, 255)"
    assert canvases["/"] != white
    assert canvases["/redoc"] == canvases["/docs"] == white


@in_browser
async def test_the_front_page_in_a_browser(server: Server) -> None:
    async with open_page() as page:
        await page.go(server.url + "/")
        links = await page.wait_for("[...document.querySelectorAll('nav a')].map(a => a.pathname)")
    assert "/docs" in links
    assert page.complaints == []
