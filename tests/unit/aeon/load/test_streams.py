from aeon.load.streams import Stream


def test_a_stream_without_faults_stays_small() -> None:
    stream = Stream(baseline=5)
    for seq in range(6, 1_000):
        assert stream.note(seq)

    assert (stream.newest, stream.missing, stream.lost(999)) == (999, set(), [])


def test_events_that_never_came_are_lost() -> None:
    stream = Stream(baseline=0)
    stream.note(1)
    stream.note(4)

    assert stream.lost(6) == [2, 3, 5, 6]


def test_a_late_arrival_is_misordered_and_not_lost() -> None:
    stream = Stream(baseline=0)
    for seq in (1, 3, 2):
        stream.note(seq)

    assert (stream.misordered, stream.first_misorder, stream.lost(3)) == (1, 2, [])


def test_what_was_there_before_counts_as_a_repeat() -> None:
    stream = Stream(baseline=5)

    assert not stream.note(5)
    assert stream.doubled == 1


def test_a_resync_starts_afresh() -> None:
    stream = Stream(baseline=0)
    for seq in (1, 9):
        stream.note(seq)
    stream.jump(8)
    stream.note(10)

    assert (stream.newest, stream.lost(10)) == (10, [])
