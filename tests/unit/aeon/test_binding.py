"""Where a node listens, with hypercorn.toml and without."""

import tomllib
from pathlib import Path

import pytest

from aeon.binding import DEFAULTS, metrics_config, server_config
from aeon.config import Settings, SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_shipped_file_says_what_holds_without_it() -> None:
    assert tomllib.loads((ROOT / "hypercorn.toml").read_text()) == DEFAULTS


def test_without_a_file_proxies_and_init_data_meet_the_same_limits() -> None:
    config = server_config(Settings(host="::1", port=8001))
    assert config.bind == ["[::1]:8001"]
    assert (config.keep_alive_timeout, config.h11_max_incomplete_size) == (75, 65_536)
    assert not metrics_config("127.0.0.1:9100").include_server_header


def test_a_file_changes_what_it_names_only(elsewhere: Path) -> None:
    (elsewhere / "hypercorn.toml").write_text("keep_alive_timeout = 20\n")
    config = server_config(Settings())
    assert (config.keep_alive_timeout, config.backlog) == (20, 1024)


def test_requests_get_their_share_of_the_time_to_stop() -> None:
    assert server_config(Settings(shutdown_seconds=5)).graceful_timeout == 3.0


def test_a_file_that_can_not_be_read_is_told(elsewhere: Path) -> None:
    (elsewhere / "hypercorn.toml").write_text("keep_alive_timeout 20\n")
    with pytest.raises(SettingsError, match=r"hypercorn\.toml: .*line 1"):
        server_config(Settings())
