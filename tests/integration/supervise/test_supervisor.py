"""The supervisor over real processes that serve nothing, so that every way to fail is quick."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from aeon.supervise.backoff import RestartPolicy
from aeon.supervise.process import WorkerProcess
from aeon.supervise.supervisor import ExitStatus, Plan, State, Supervisor

QUICK = RestartPolicy(first_seconds=0.01, longest_seconds=0.02, max_restarts=2, window_seconds=60.0)
PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[3]


@dataclass
class Watched:
    """A supervisor under test, and what it said of itself."""

    directory: Path
    states: list[State]
    changed: trio.Event
    result: ExitStatus | None = None

    def started(self) -> list[tuple[int, int]]:
        """Number and pid of each worker that became ready, in this order."""
        with suppress(FileNotFoundError):
            lines = (self.directory / "started").read_text().splitlines()
            return [(int(one.split()[0]), int(one.split()[1])) for one in lines]
        return []

    def tell(self, word: str) -> None:
        (self.directory / word).touch()

    def untell(self, word: str) -> None:
        (self.directory / word).unlink()

    async def sign(self, word: str) -> None:
        """Wait until a worker has left this sign."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not (self.directory / word).exists():  # noqa: ASYNC110 - in another process
                await trio.sleep(0.01)

    async def state(self, wanted: State, times: int = 1) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while self.states.count(wanted) < times:
                await self.changed.wait()

    async def start_number(self, count: int) -> None:
        """Wait until that many workers have been started in all."""
        with trio.fail_after(PATIENCE_SECONDS):
            while len(self.started()) < count:  # noqa: ASYNC110 - it is in another process
                await trio.sleep(0.01)

    async def crash_number(self, count: int) -> None:
        """Wait until that many workers have crashed."""
        crashed = self.directory / "crashed"
        with trio.fail_after(PATIENCE_SECONDS):
            while not crashed.exists() or len(crashed.read_text()) < count:  # noqa: ASYNC110
                await trio.sleep(0.01)


@asynccontextmanager
async def supervising(
    directory: Path,
    *,
    workers: int = 2,
    shutdown_seconds: float = 5.0,
    watchdog_seconds: float = 0.0,
) -> AsyncIterator[Watched]:
    plan = Plan(
        workers=workers,
        host="127.0.0.1",
        port=0,
        sockets=(),
        insecure_sockets=(),
        metrics_sockets=(),
        shutdown_seconds=shutdown_seconds,
        watchdog_seconds=watchdog_seconds,
        policy=QUICK,
        module="tests.helpers.tiny_worker",
    )
    watched = Watched(directory, [], trio.Event())

    def on_state(state: State) -> None:
        watched.states.append(state)
        changed, watched.changed = watched.changed, trio.Event()
        changed.set()

    async def run() -> None:
        watched.result = await Supervisor(plan, on_state).run()

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield watched
    assert [pid for _, pid in watched.started() if _is_alive(pid)] == []


def _is_alive(pid: int) -> bool:
    """Also true of a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def signal_us(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


async def test_sigterm_lets_all_go(directory: Path) -> None:
    async with supervising(directory) as watched:
        await watched.state("ready")
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED
    assert watched.states == ["ready", "stopping"]


async def test_a_dead_worker_comes_back_and_the_other_stays(directory: Path) -> None:
    async with supervising(directory) as watched:
        await watched.state("ready")
        (victim, pid), (other, other_pid) = watched.started()
        os.kill(pid, signal.SIGKILL)
        await watched.start_number(3)
        assert watched.started()[2][0] == victim
        assert _is_alive(other_pid), other
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED


async def test_a_crash_loop_of_all_gives_up(directory: Path) -> None:
    (directory / "crash").touch()
    async with supervising(directory) as watched:
        pass
    assert watched.result == ExitStatus.GAVE_UP
    assert "ready" not in watched.states


async def test_a_crash_loop_of_one_leaves_the_others(directory: Path) -> None:
    async with supervising(directory) as watched:
        await watched.state("ready")
        pids = dict(watched.started())
        watched.tell("crash-2")
        os.kill(pids[2], signal.SIGKILL)
        await watched.crash_number(2 * QUICK.max_restarts)
        assert watched.result is None
        assert _is_alive(pids[1])
        watched.untell("crash-2")
        await watched.start_number(3)
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED


async def test_a_refused_first_start_is_not_tried_again(directory: Path) -> None:
    (directory / "refuse").touch()
    async with supervising(directory, workers=1) as watched:
        pass
    assert watched.result == ExitStatus.REFUSED


async def test_sighup_replaces_one_by_one(directory: Path) -> None:
    async with supervising(directory) as watched:
        await watched.state("ready")
        before = dict(watched.started())
        signal_us(signal.SIGHUP)
        await watched.state("ready", times=2)
        after = dict(watched.started()[2:])
        assert list(after) == [1, 2]
        assert not [pid for pid in before.values() if _is_alive(pid)]
        assert all(_is_alive(pid) for pid in after.values())
        signal_us(signal.SIGTERM)
    assert watched.states == ["ready", "reloading", "ready", "stopping"]


async def test_told_to_stop_while_it_replaces_it_stops_and_says_nothing_else(
    directory: Path,
) -> None:
    with capture_logs() as logs:
        async with supervising(directory) as watched:
            await watched.state("ready")
            watched.tell("slow")
            signal_us(signal.SIGHUP)
            await watched.sign("slowed")
            signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED
    assert watched.states == ["ready", "reloading", "stopping"]
    assert [one["event"] for one in logs if one["log_level"] == "error"] == []


async def test_who_drains_to_be_replaced_is_not_told_a_second_time(directory: Path) -> None:
    (directory / "drain-1").touch()
    async with supervising(directory, workers=1) as watched:
        await watched.state("ready")
        signal_us(signal.SIGHUP)
        await watched.sign("stopped")
        signal_us(signal.SIGTERM)
        await watched.state("stopping")
        watched.untell("drain-1")
    assert watched.result == ExitStatus.DRAINED


async def test_without_a_successor_the_worker_stays(directory: Path) -> None:
    async with supervising(directory) as watched:
        await watched.state("ready")
        watched.tell("refuse")
        signal_us(signal.SIGHUP)
        await watched.state("ready", times=2)
        assert len(watched.started()) == 2
        assert all(_is_alive(pid) for _, pid in watched.started())
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED


async def test_who_is_replaced_and_does_not_go_is_killed_and_told_of(directory: Path) -> None:
    (directory / "stubborn-1").touch()
    with capture_logs() as logs:
        async with supervising(directory, workers=1, shutdown_seconds=3.0) as watched:
            await watched.state("ready")
            watched.untell("stubborn-1")
            signal_us(signal.SIGHUP)
            await watched.state("ready", times=2)
            signal_us(signal.SIGTERM)
    (cut_off,) = [one for one in logs if one["event"] == "worker_cut_off"]
    assert (cut_off["pid"], cut_off["how"]) == (watched.started()[0][1], "SIGKILL")
    assert watched.result == ExitStatus.DRAINED


async def test_a_successor_that_dies_at_once_leaves_its_slot(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_ready = WorkerProcess.wait_ready

    async def wait_ready_and_dead(self: WorkerProcess, within_seconds: float) -> bool:
        is_ready = await wait_ready(self, within_seconds)
        if (directory / "stillborn").exists():
            await self.wait()
        return is_ready

    monkeypatch.setattr(WorkerProcess, "wait_ready", wait_ready_and_dead)
    async with supervising(directory, workers=1) as watched:
        await watched.state("ready")
        for times in (2, 3):
            watched.tell("stillborn")
            signal_us(signal.SIGHUP)
            await watched.state("ready", times=times)
        watched.untell("stillborn")
        signal_us(signal.SIGHUP)
        await watched.state("ready", times=4)
        assert len(watched.started()) == 2
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED


async def test_who_does_not_go_in_time_is_killed(directory: Path) -> None:
    (directory / "stubborn-1").touch()
    async with supervising(directory, shutdown_seconds=0.2) as watched:
        await watched.state("ready")
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.CUT_SHORT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cut-off-1"], ExitStatus.ACTORS_CUT_OFF),
        (["cut-off"], ExitStatus.ACTORS_CUT_OFF),
        (["cut-off-1", "fail-2"], ExitStatus.CUT_SHORT),
    ],
)
async def test_it_ends_as_the_worst_of_its_workers_did(
    words: list[str], expected: ExitStatus, directory: Path
) -> None:
    for word in words:
        (directory / word).touch()
    async with supervising(directory) as watched:
        await watched.state("ready")
        signal_us(signal.SIGTERM)
    assert watched.result == expected


async def test_a_second_signal_kills(directory: Path) -> None:
    (directory / "stubborn").touch()
    async with supervising(directory, shutdown_seconds=1000.0) as watched:
        await watched.state("ready")
        signal_us(signal.SIGTERM)
        await watched.state("stopping")
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.CUT_SHORT


async def test_who_hangs_is_replaced_and_the_others_stay(directory: Path) -> None:
    async with supervising(directory, watchdog_seconds=1.0) as watched:
        await watched.state("ready")
        pids = dict(watched.started())
        os.kill(pids[1], signal.SIGSTOP)
        await watched.start_number(3)
        assert not _is_alive(pids[1])
        assert _is_alive(pids[2])
        watched.tell("hang-2")
        await watched.start_number(4)
        assert not _is_alive(pids[2])
        watched.untell("hang-2")
        assert [number for number, _ in watched.started()[2:]] == [1, 2]
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED


async def test_the_only_worker_is_replaced_when_it_hangs(directory: Path) -> None:
    async with supervising(directory, workers=1, watchdog_seconds=1.0) as watched:
        await watched.state("ready")
        ((_, pid),) = watched.started()
        os.kill(pid, signal.SIGSTOP)
        await watched.start_number(2)
        assert not _is_alive(pid)
        signal_us(signal.SIGTERM)
    assert watched.result == ExitStatus.DRAINED
