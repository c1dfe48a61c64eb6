"""The table of errors is complete, and nothing gets past it."""

import inspect
import re
from pathlib import Path

import pytest

from actors import runtime
from actors.chat.errors import ChatRefused
from actors.runtime import ActorFailed, Address
from aeon import errors
from aeon.error_codes import ERRORS
from aeon.errors import BY_CLASS, EdgeError, FieldFault, InvalidInput, RateLimited, describe
from aeon.ws.closing import CloseCode
from storage import errors as storage_errors
from storage.commands import RejectReason

ADDRESS = Address("chat", 7)
_ONLY_REST = {
    "user_not_found",
    "already_a_member",
    "member_not_found",
    "private_chat_full",
    "chat_full",
    "owner_must_transfer",
}


@pytest.mark.parametrize("reason", RejectReason)
def test_every_refusal_of_a_chat_is_a_code(reason: RejectReason) -> None:
    fault = describe(ChatRefused(reason))
    assert fault.code == reason.value
    assert 400 <= fault.status_code < 500
    assert not fault.is_bug


@pytest.mark.parametrize(
    "error_class",
    [
        one
        for module in (runtime, storage_errors)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, runtime.ActorError | storage_errors.StorageError)
        and one is not storage_errors.StorageError
    ],
)
def test_every_fault_from_below_has_a_line(error_class: type[Exception]) -> None:
    assert any(issubclass(error_class, listed) for listed, _ in BY_CLASS)


def test_every_code_that_is_raised_is_in_the_table() -> None:
    raised = re.compile(r'\b(?:EdgeError|AuthError|_FrameFault|fault)\(\s*"(\w+)"')
    package = Path(errors.__file__).parent
    found = {
        code for path in package.rglob("*.py") for code in raised.findall(path.read_text())
    } | {code for _, code in BY_CLASS}
    assert len(found) > 20
    assert found <= ERRORS.keys()


def test_forms_over_websocket_are_forms_of_the_protocol() -> None:
    closes = {f"close {code.value}" for code in CloseCode}
    for code, kind in ERRORS.items():
        for form in filter(None, kind.socket.split("; ")):
            known = form.removesuffix(" while connecting")
            assert known in {"error", *closes} or code == "too_far", (code, form)
    for reason in RejectReason:
        # What a chat refuses reaches a command of the socket; the rest is only asked over REST.
        only_rest = reason.value in _ONLY_REST
        assert ERRORS[reason.value].socket == ("" if only_rest else "error"), reason


def test_every_line_is_usable() -> None:
    for code, kind in ERRORS.items():
        assert code == code.lower()
        assert kind.message.endswith(".")
        fault = errors.fault(code)
        assert (fault.retry_after_seconds is not None) == kind.retryable


def test_overload_and_unknown_outcome_are_told_apart() -> None:
    assert describe(runtime.MailboxFull(ADDRESS)).code == "overloaded"
    assert describe(storage_errors.Overloaded("x")).code == "overloaded"
    assert describe(runtime.AskTimeout(ADDRESS)).code == "outcome_unknown"
    assert describe(storage_errors.CommitUnknown("x")).code == "outcome_unknown"
    assert "client_msg_id" in describe(storage_errors.CommitUnknown("x")).message


def test_who_was_in_each_others_way_may_try_again_at_once() -> None:
    """The database was there, so nobody is told that it was not."""
    fault = describe(storage_errors.Contention("x", retry_after_seconds=0.1))
    assert (fault.code, fault.status_code) == ("overloaded", 503)
    assert fault.retryable
    assert fault.retry_after_seconds == 0.1
    assert not fault.is_bug


def test_an_actor_that_could_not_load_did_nothing() -> None:
    failed = ActorFailed(ADDRESS)
    failed.__cause__ = storage_errors.Unavailable("x", retry_after_seconds=3.0)
    fault = describe(failed)
    assert (fault.code, fault.retry_after_seconds) == ("unavailable", 3.0)
    assert describe(ActorFailed(ADDRESS)).code == "outcome_unknown"


def test_what_nobody_foresaw_is_a_bug_and_tells_nothing() -> None:
    fault = describe(ValueError("secret"))
    assert (fault.code, fault.status_code, fault.is_bug) == ("internal_error", 500, True)
    assert "secret" not in fault.message


def test_groups_of_one_are_opened() -> None:
    group = ExceptionGroup("x", [ExceptionGroup("y", [EdgeError("not_found")])])
    assert describe(group).code == "not_found"
    assert describe(ExceptionGroup("x", [ValueError(), ValueError()])).is_bug


def test_input_faults_keep_their_fields() -> None:
    one = FieldFault("text", "too long", "message_too_long")
    assert describe(InvalidInput([one])).code == "message_too_long"
    both = describe(InvalidInput([one, FieldFault("chat_id", "missing")]))
    assert both.code == "invalid_field"
    assert [detail.field for detail in both.details] == ["text", "chat_id"]


def test_rates_say_when_to_come_back() -> None:
    assert describe(RateLimited(2.5)).retry_after_seconds == 2.5


def test_postgresqls_own_words_stay_inside() -> None:
    refused = ChatRefused(RejectReason.INVALID_DATA, "invalid byte sequence: 0xff in secret")
    assert "secret" not in describe(refused).message
    assert describe(storage_errors.InvalidData("secret")).message.find("secret") == -1
