"""What a person at a terminal hears of a fault, and what a script sees of it."""

import errno
import socket

import pytest

from aeon.cli.faults import teach
from aeon.config import SettingsError
from aeon.interruption import Interrupted
from aeon.load.faults import LoadFault, UsageFault
from storage.errors import Unavailable


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (SettingsError("PORT: is wrong"), 2, "aeon x: PORT: is wrong"),
        (Unavailable("PostgreSQL is away"), 2, "aeon x: PostgreSQL is away"),
        (UsageFault("--users 0"), 2, "aeon x: --users 0"),
        (LoadFault("the server left"), 1, "aeon x: the server left"),
        (Interrupted(), 130, "aeon x: interrupted"),
        (KeyboardInterrupt(), 130, "aeon x: interrupted"),
        (OSError(errno.EADDRINUSE, "in use"), 2, "HOST and PORT"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 2, "HOST and PORT"),
    ],
)
@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_fault_is_a_sentence_and_a_status(
    capsys: pytest.CaptureFixture[str],
    fault: BaseException,
    status: int,
    text: str,
    is_grouped: bool,
) -> None:
    with pytest.raises(SystemExit) as caught, teach("aeon x"):
        raise BaseExceptionGroup("nursery", [fault]) if is_grouped else fault

    assert caught.value.code == status
    assert text in capsys.readouterr().err


def test_the_same_fault_of_many_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), teach():
        raise ExceptionGroup("nursery", [LoadFault("gone"), LoadFault("gone")])

    assert capsys.readouterr().err == "aeon: gone\n"


@pytest.mark.parametrize("bug", [KeyError("x"), FileNotFoundError(errno.ENOENT, "no", "file")])
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug)), teach():
        raise bug
