"""Read cursors, as an event log tells them, never go back."""

from aeon.load.log_check import check_cursors


def read(seq: int, user_id: int, read_seq: int) -> dict[str, object]:
    return {"type": "message_read", "seq": seq, "user_id": user_id, "read_seq": read_seq}


def test_cursors_of_several_people_rise_each_by_itself() -> None:
    log = [read(4, 1, 3), read(5, 2, 1), {"type": "new_message", "seq": 6}, read(7, 1, 6)]

    assert check_cursors(9, log).is_clean


def test_a_cursor_that_goes_back_is_counted_and_told() -> None:
    verdict = check_cursors(9, [read(4, 1, 3), read(5, 1, 2), read(6, 1, 3)])

    assert verdict.cursors_back == 1
    assert "seq 5" in verdict.examples[0]
