"""``aeon health``: what a container's health check runs."""

from pathlib import Path

import pytest
import trio

from aeon.cli.health import ask, own_url, run
from aeon.config import Settings
from aeon.services import Services
from tests.helpers.certificates import write_certificate
from tests.helpers.clients import Server
from tests.helpers.redis import free_port
from tests.helpers.serving import serving


async def test_ready_is_0_and_draining_is_1(
    server: Server, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    def health() -> int:
        return run(url=server.url, timeout_seconds=10)

    assert await trio.to_thread.run_sync(health) == 0
    services.lifecycle.is_draining = True
    assert await trio.to_thread.run_sync(health) == 1
    assert "503" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "ftp://127.0.0.1", "nonsense"])
def test_no_answer_is_1(url: str) -> None:
    assert run(url=url.format(port=free_port()), timeout_seconds=2) == 1


async def test_the_own_certificate_need_not_name_this_machine(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    async with serving(certfile=str(certificate), keyfile=str(key)) as running:
        url = f"https://localhost:{running.port}/"

        async def asked(*, is_own: bool) -> int:
            def do() -> int:
                return ask(url, timeout_seconds=5, is_own=is_own)[0]

            return await trio.to_thread.run_sync(do)

        assert await asked(is_own=True) == 0
        assert await asked(is_own=False) == 1


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("10.1.2.3", "http://10.1.2.3:8000"),
    ],
)
def test_everywhere_is_asked_on_this_machine(
    host: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_url(Settings(_env_file=None, host=host)) == url
