import math
from pathlib import Path

import pytest

from aeon.load.faults import UsageFault
from aeon.load.options import Options, Scenario


def options(**fields: object) -> Options:
    given: dict[str, object] = {"scenario": Scenario.CHAT, "bot_token": "1:x", **fields}
    return Options(**given)  # type: ignore[arg-type]  # wrong values are the point


def test_the_defaults_make_sense() -> None:
    for scenario in Scenario:
        options(scenario=scenario).check()
        options(scenario=scenario, self_serve=True, bot_token="").check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rate": 0.0}, "--rate 0 "),
        ({"rate": -1.0}, "--rate -1 "),
        ({"rate": math.nan}, "--rate nan"),
        ({"rate": math.inf}, "--rate inf"),
        ({"duration_seconds": 0.0}, "--duration"),
        ({"users": 1}, "--users 1 "),
        ({"scenario": Scenario.FANOUT, "users": 1}, "--users 1 "),
        ({"users": 10**9}, "--users"),
        ({"processes": 0}, "--processes"),
        ({"users": 5, "processes": 6}, "--processes 6 "),
        ({"group_size": 1}, "--group-size 1 "),
        ({"users": 4, "group_size": 5}, "--group-size 5 "),
        ({"text_length": 5000}, "--text-length"),
        ({"bot_token": ""}, "--bot-token"),
        ({"urls": ("ftp://127.0.0.1",)}, "--url"),
        ({"urls": ("127.0.0.1:8000",)}, "--url"),
        ({"urls": ("http://",)}, "--url"),
        ({"urls": ("http://127.0.0.1:99999",)}, "--url"),
        ({"urls": ("http://127.0.0.1/?x=1",)}, "--url"),
        ({"urls": ("http://127.0.0.1:1",), "self_serve": True}, "--url"),
        ({"workers": 2}, "--workers"),
        ({"workers": 0, "self_serve": True}, "--workers 0"),
        ({"restart_every_seconds": 5.0}, "--restart-every"),
        ({"restart_every_seconds": -5.0, "self_serve": True}, "--restart-every"),
        ({"json_path": "/nowhere/at/all.json"}, "--json"),
        ({"html_path": "/"}, "--html"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_flag_s_name(
    fields: dict[str, object], named: str
) -> None:
    with pytest.raises(UsageFault) as caught:
        options(**fields).check()

    assert named in str(caught.value)


def test_a_report_may_go_into_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    options(json_path="report.json", html_path=str(tmp_path / "report.html")).check()
