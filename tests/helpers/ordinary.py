"""Running a part of a test without root's rights, whoever runs the tests."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from storage.postmaster import Account


def run_as_ordinary_user(function: Callable[[], None]) -> None:
    """Run it in a child process: under the server's account if this is root, else as we are.

    A child of a fork, because a new interpreter may be out of that account's reach: what the
    function needs must be imported.
    """
    account = Account.choose()
    from_child, to_parent = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if account is not None:
                os.chdir("/")
                os.setgroups([])
                os.setgid(account.gid)
                os.setuid(account.uid)
            function()
            status = 0
        except BaseException:  # noqa: BLE001 # it becomes the parent's
            os.write(to_parent, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(to_parent)
    with os.fdopen(from_child) as stream:
        report = stream.read()
    _, ended = os.waitpid(pid, 0)
    assert ended == 0, report
