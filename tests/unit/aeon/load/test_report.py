"""The report's stable form, and the page that shows it."""

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import orjson
import pytest
from rich.console import Console

from aeon.load.measurements import NS_PER_SECOND, Measurements
from aeon.load.options import Options, Scenario
from aeon.load.page import build_page
from aeon.load.report import Clients, Run, build_report, exit_status
from aeon.load.summary import show
from aeon.load.verdict import Verdict


def measured() -> Measurements:
    measurements = Measurements()
    for at in range(300):
        now_ns = at * NS_PER_SECOND // 100
        measurements.count("sent", now_ns)
        measurements.count("delivered", now_ns, 5)
        measurements.time("delivery", now_ns - 2_000_000, now_ns)
    measurements.count("error.rate_limited", NS_PER_SECOND)
    measurements.count("close.4008", NS_PER_SECOND)
    return measurements


def run(**fields: object) -> Run:
    given: dict[str, object] = {
        "options": Options(scenario=Scenario.CHAT, bot_token="1:secret", duration_seconds=3.0),
        "url": "http://127.0.0.1:1",
        "started_at": datetime(2026, 11, 23, tzinfo=UTC),
        "chats": 40,
        "measurements": measured(),
        "verdict": Verdict(checked_messages=300, checked_arrivals=1500),
        "clients": Clients(cpu_seconds=[0.5, 0.4], wall_seconds=3.2),
        "server": {"cpu_seconds": 1.0, "metrics": {"aeon_commits_total": 12.0}},
        "faults": [],
        "read_back": True,
        **fields,
    }
    return Run(**given)  # type: ignore[arg-type]  # the fields are right, their types unknown here


def test_the_form_of_the_report_is_stable() -> None:
    report = orjson.loads(orjson.dumps(build_report(run())))

    assert report["schema"] == "aeon-load-report/1"
    assert list(report) == [
        "schema",
        "version",
        "started_at",
        "status",
        "faults",
        "scenario",
        "url",
        "asked",
        "machine",
        "verdict",
        "per_second",
        "counts",
        "errors",
        "closes",
        "http_statuses",
        "latencies_ms",
        "percentile_curves_ms",
        "series",
        "server",
        "clients",
        "notes",
    ]
    assert report["per_second"] == {"sent": 100.0, "delivered": 500.0}
    assert report["errors"] == {"rate_limited": 1}
    assert report["closes"] == {"4008": 1}
    assert report["latencies_ms"]["delivery"] == {
        "count": 300,
        "mean": 2.0,
        "min": 2.0,
        "p50": pytest.approx(2.0, rel=1 / 256),
        "p90": pytest.approx(2.0, rel=1 / 256),
        "p99": pytest.approx(2.0, rel=1 / 256),
        "p99_9": pytest.approx(2.0, rel=1 / 256),
        "max": 2.0,
    }
    assert report["series"]["counts"]["sent"] == [100, 100, 100]
    assert len(report["series"]["latencies_ms"]["delivery"]["p99"]) == 3


def test_the_bot_token_is_not_in_the_report() -> None:
    assert b"secret" not in orjson.dumps(build_report(run()))


@pytest.mark.parametrize(
    ("fields", "status", "exits_with"),
    [
        ({}, "passed", 0),
        ({"verdict": Verdict(lost=1)}, "failed", 1),
        ({"verdict": Verdict(unacked=3, unacked_but_delivered=2)}, "passed", 0),
        ({"faults": ["The server is gone"]}, "aborted", 1),
    ],
)
def test_only_a_whole_run_with_every_promise_kept_passes(
    fields: dict[str, object], status: str, exits_with: int
) -> None:
    report = build_report(run(**fields))

    assert (report["status"], exit_status(report)) == (status, exits_with)


class _Page(HTMLParser):
    """Collects what could reach out of a page, and whether its elements are closed."""

    EMPTY = ("meta", "link", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY or (tag == "path" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone() -> None:
    html = build_page(build_report(run()))
    page = _Page()
    page.feed(html)

    assert page.open == []
    assert page.addresses == ["data:,"]
    assert {"svg", "table", "h1"} <= page.tags
    assert "script" not in page.tags
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_page_tells_what_a_check_broke() -> None:
    html = build_page(
        {
            **build_report(run()),
            "nodes": 3,
            "faults_injected": {"node-kill": 12},
            "commit_checks": {"checked": 4_321, "unchecked": 5},
        }
    )

    assert "node-kill" in html
    assert "4,321 events" in html


def test_the_page_escapes_what_it_shows() -> None:
    html = build_page(build_report(run(faults=["<script>alert(1)</script>"])))

    assert "<script" not in html


def test_a_report_without_anything_in_it_can_be_shown() -> None:
    empty = run(
        measurements=Measurements(),
        clients=Clients(cpu_seconds=[], wall_seconds=0.0),
        server={},
        faults=["Nobody came"],
    )
    report = build_report(empty)
    console = Console(record=True, width=100, file=io.StringIO())
    show(console, report)

    assert "Nobody came" in console.export_text()
    assert "Nobody came" in build_page(report)
