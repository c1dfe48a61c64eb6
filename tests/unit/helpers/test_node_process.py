"""What tests wait for of a process they started, they do not wait for without an end."""

import subprocess

import pytest

from tests.helpers.node_process import first_line


def test_a_process_that_says_nothing_is_not_waited_for_without_an_end() -> None:
    with subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE, text=True) as process:
        try:
            with pytest.raises(AssertionError, match="said nothing"):
                first_line(process, within_seconds=0.05)
        finally:
            process.kill()


@pytest.mark.parametrize(("command", "line"), [("echo here", "here\n"), ("true", "")])
def test_what_it_says_is_given(command: str, line: str) -> None:
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True) as process:
        assert first_line(process) == line
