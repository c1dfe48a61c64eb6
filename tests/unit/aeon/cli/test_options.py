"""Wrong options are named, with the status of wrong usage, before anything is started."""

import pytest
from typer.testing import CliRunner

from aeon.cli import app


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("db upgrade nope", "there is none like this"),
        ("db downgrade nope --yes", "there is none like this"),
        ("bench nodes --redis-server /nope", "--redis-server /nope"),
        ("bench storage --url nope", "--url"),
        ("bench fanout --members 0", "--members"),
        ("load chat --self-serve --users 1", "--users 1"),
        ("load check --nodes 1", "--nodes 1"),
        ("top --token x --url nope", "--url"),
        ("top --token x --kind nope", "--kind"),
    ],
)
def test_a_wrong_option_is_named(command: str, named: str) -> None:
    result = CliRunner().invoke(app, command.split(), env={"COLUMNS": "200"})

    assert named in result.output
    assert result.exit_code == 2
