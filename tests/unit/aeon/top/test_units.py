"""Numbers in columns: short, with a unit, and a dash for what is not known."""

import pytest

from aeon.top.units import bars, count, duration, rate, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (3.21, "3.2 s"),
        (59.6, "1 min 0 s"),
        (192, "3 min 12 s"),
        (11_530, "3 h 12 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_other_figures() -> None:
    assert [count(12345), count(None), count(True), count("12")] == ["12,345", "-", "-", "-"]
    assert [rate(3.25), rate(1234.5), rate(None)] == ["3.2", "1,234", "-"]
    assert [size(812), size(4411), size(250_000), size(3_200_000), size(7e9), size(None)] == [
        "812 B",
        "4.4 kB",
        "250 kB",
        "3.2 MB",
        "7.0 GB",
        "-",
    ]


def test_bars_show_the_last_values_at_the_right_and_gaps_as_blanks() -> None:
    assert bars([1, 2, 4, None, 8], 7) == "  ▂▃▅ █"
    assert bars([9, 0, 0], 2) == "▁▁"
    assert bars([], 3) == "   "
