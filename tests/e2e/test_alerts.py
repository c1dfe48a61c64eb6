"""The alert rules and the dashboard, against what a node really exports.

A metric that was renamed makes an alert that never fires, and nobody notices until the night it
was needed. So every name and label is looked up in a scrape, the rules are evaluated, and the
ones that matter most are shown to fire.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from actors.delivery.session import CloseReason
from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from storage.commands import AnyCommand, Outcome
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.files import picture
from tests.helpers.promql import TARGET, Moment, labels_named, parse, selectors
from tests.helpers.proxy import PostgresProxy
from tests.helpers.redis import running_redis
from tests.helpers.scraping import Scrape

DEPLOY = Path(__file__).parents[2] / "deploy"
ANNA, BORIS = 1001, 1002
OF_SPEED = {"AeonEventLoopLate", "AeonCommitsSlow"}
"""Rules that a busy machine which runs tests may break rightly."""
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/aeon.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.fixture
def settings(settings: Settings) -> Iterator[Settings]:
    """One node of several, so that the figures of the bus are there as well."""
    with running_redis() as redis:
        yield Settings.model_validate({**settings.model_dump(), "redis_url": redis.url})


def rule(name: str) -> dict[str, Any]:
    (found,) = [one for one in RULES if one["alert"] == name]
    return found


async def use(server: Server, services: Services) -> Scrape:
    """Do a bit of everything, so that every labelled figure has a sample."""
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        chat_id = await anna.create_group(BORIS)
        file = ("a.png", picture("PNG", (32, 32)))
        assert (
            await anna.request("POST", "/api/v1/messages/upload-media", files={"file": file})
        ).is_success
        async with server.connected(ANNA) as socket:
            await socket.command("send_message", chat_id=chat_id, text="hello")
            await socket.command("resume", cursors={str(chat_id): 0})
            scrape = await Scrape.of(server)
        async with server.socket("?init_data=forged") as forged:
            await forged.wait_closed()
    return scrape


async def test_rules_and_panels_ask_for_what_exists(server: Server, services: Services) -> None:
    """Faults: a renamed metric, a label that is not there, a value no sample ever has."""
    await use(server, services)
    scrape = await Scrape.of(server)
    exported = {sample.name for sample in scrape.samples}
    wrong: list[str] = []

    for where, text, shown in (*_of_rules(), *_of_panels()):
        expression = parse(text)
        names = {selector.name for selector in selectors(expression)}
        wrong += [f"{where}: no metric {name}" for name in names - exported - {"up"}]
        known = {"le", *TARGET}.union(*(scrape.labels_of(name) for name in names))
        for label in {*labels_named(expression), *shown} - known:
            wrong.append(f"{where}: no label {label}")
        for selector in selectors(expression):
            for matcher in selector.matchers.matchers:
                values = {
                    sample.labels.get(matcher.name)
                    for sample in scrape.samples
                    if sample.name == selector.name
                }
                is_there = matcher.name in TARGET or any(value is not None for value in values)
                if str(matcher.op) == "MatchOp.Equal" and matcher.name not in TARGET:
                    is_there = matcher.value in values
                if not is_there:
                    wrong.append(f"{where}: never {matcher.name}={matcher.value}")

    assert wrong == []


async def test_every_family_is_explained(server: Server, services: Services) -> None:
    """Fault: a figure nobody can look up, or a page that promises one that is gone."""
    scrape = await use(server, services)
    text = (DEPLOY.parent / "aeon/metrics/README.md").read_text()
    cells = re.findall(r"^\| (`aeon_[^|]+)\|", text, re.MULTILINE)
    explained = {name for cell in cells for name in re.findall(r"`(aeon_\w+)`", cell)}

    assert explained == {name for name in scrape.families if name.startswith("aeon_")}


async def test_a_healthy_node_alarms_nobody(server: Server, services: Services) -> None:
    """Fault: a threshold that the ordinary reaches; an expression that is always true."""
    before = await use(server, services)
    began = time.perf_counter()
    after = await use(server, services)
    moment = Moment(before, after, time.perf_counter() - began)

    fired = {one["alert"] for one in RULES if moment.fires(one["expr"])}
    assert fired - OF_SPEED == set()


async def test_a_stuck_actor_fires(
    server: Server, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults: the scrape asks the actor; the age is of another message; the wrong threshold."""
    environment = services.system._environment
    clock, append = environment.clock, services.writer.append
    blocked, released = trio.Event(), trio.Event()
    async with server.person(ANNA) as anna, server.person(BORIS, "Boris"):
        stuck_id = await anna.create_group(title="Stuck")
        other_id = await anna.create_group(BORIS, title="Other")

        async def block_one(
            commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
        ) -> Sequence[Outcome]:
            if commands[0].chat_id == stuck_id:
                blocked.set()
                await released.wait()
            return await append(commands, request_ids)

        monkeypatch.setattr(services.writer, "append", block_one)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anna.send, stuck_id, "waits")
            with trio.fail_after(DEADLINE_SECONDS):
                await blocked.wait()
            early = await Scrape.of(server)
            monkeypatch.setattr(environment, "clock", lambda: clock() + 31)
            await anna.send(other_id, "the others go on")
            late = await Scrape.of(server)
            released.set()

    expression = rule("AeonActorStuck")["expr"]
    assert Moment(early, early, 1).fires(expression) == []
    assert Moment(early, late, 1).fires(expression) == [{"instance": "node", "kind": "chat"}]


async def test_slow_consumers_and_dead_letters_fire(server: Server, services: Services) -> None:
    """Fault: the first of them is not seen, because the figure did not exist before it."""
    before = await Scrape.of(server)
    async with server.person(ANNA) as anna, server.connected(ANNA) as socket:
        (session,) = services.fanout.all_sessions()
        session.end(CloseReason.TOO_SLOW)
        assert (await socket.wait_closed()).code == 4008
        chat = services.system.ref("chat", await anna.create_group())
        for _ in range(21):
            chat.tell(None)  # nothing the rules of a chat could carry out
        with trio.fail_after(DEADLINE_SECONDS):
            while services.system.dead_letters.total < 21:  # noqa: ASYNC110 - it has no event
                await trio.sleep(0.01)
        after = await Scrape.of(server)
    moment = Moment(before, after, 1)

    assert moment.fires(rule("AeonSlowConsumers")["expr"])
    assert moment.fires(rule("AeonDeadLetters")["expr"]) == [
        {"instance": "node", "kind": "chat", "reason": "failed"}
    ]


async def test_a_database_that_is_away_fires(settings: Settings) -> None:
    """Fault: the scrape itself fails without a database, when it is needed most."""
    assert settings.database_url is not None
    async with PostgresProxy.open(settings.database_url.get_secret_value()) as proxy:
        behind = Settings.model_validate({**settings.model_dump(), "database_url": proxy.url})
        async with open_services(behind) as services, trio.open_nursery() as nursery:
            stop = trio.Event()
            listening = await nursery.start(serve_node, services, stop)
            server = Server(listening.url)
            there = await Scrape.of(server)
            proxy.cut_request_at = b"SELECT 1"
            away = await Scrape.of(server)
            proxy.cut_request_at = None
            stop.set()
    expression = rule("AeonDatabaseAway")["expr"]

    assert Moment(there, there, 1).fires(expression) == []
    assert Moment(there, away, 1).fires(expression) == [TARGET]


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    for one in RULES:
        texts = one["annotations"]
        assert set(texts) == {"summary", "description", "runbook"}, one["alert"]
        assert one["labels"]["severity"] in ("page", "warn")
        assert all(text.strip() for text in texts.values())
    assert len({one["alert"] for one in RULES}) == len(RULES)


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """Faults: it names one installation's data source; panels lie over each other."""
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"


def _of_rules() -> list[tuple[str, str, set[str]]]:
    """Where, the expression, and the labels its texts show."""
    shown = re.compile(r"\$labels\.(\w+)")
    return [
        (one["alert"], one["expr"], set(shown.findall(json.dumps(one["annotations"]))))
        for one in RULES
    ]


def _of_panels() -> list[tuple[str, str, set[str]]]:
    shown = re.compile(r"\{\{(\w+)\}\}")
    return [
        (panel["title"], target["expr"], set(shown.findall(target["legendFormat"])))
        for panel in PANELS
        for target in panel["targets"]
    ]
