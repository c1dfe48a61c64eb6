"""When a dead worker comes back, and when it has died too often."""

from aeon.supervise.backoff import RestartPolicy, Restarts

POLICY = RestartPolicy(first_seconds=0.1, longest_seconds=1.0, max_restarts=3, window_seconds=60.0)


def test_pauses_double_up_to_the_longest() -> None:
    restarts = Restarts(POLICY, chance=lambda: 1.0)
    assert [restarts.note(now) for now in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_pauses_vary_by_half() -> None:
    assert Restarts(POLICY, chance=lambda: 0.0).note(0.0) == 0.05
    assert Restarts(POLICY, chance=lambda: 1.0).note(0.0) == 0.1


def test_only_deaths_within_the_window_count() -> None:
    restarts = Restarts(POLICY, chance=lambda: 1.0)
    for now in (0.0, 20.0, 40.0):
        restarts.note(now)
    assert not restarts.are_too_many(40.0)
    restarts.note(59.0)
    assert restarts.are_too_many(59.0)
    assert not restarts.are_too_many(60.0)
    assert restarts.note(200.0) == 0.1
