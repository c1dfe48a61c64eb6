"""RESP is cut into whole values wherever the network cut it, and only pushes count as such."""

import random

from hypothesis import given
from hypothesis import strategies as st

from aeon.load.cluster.bus_proxy import BusProxy, Values, Weather, is_push

MESSAGE = b"*3\r\n$7\r\nmessage\r\n$3\r\nbus\r\n$5\r\na\r\nbc\r\n"
PUSH = b">3\r\n$7\r\nmessage\r\n$3\r\nbus\r\n$1\r\nx\r\n"
ANSWERS = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":12\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"_\r\n",
    b"#t\r\n",
    b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
    b"%1\r\n$1\r\nk\r\n~1\r\n+v\r\n",
    b"*3\r\n$9\r\nsubscribe\r\n$3\r\nbus\r\n:1\r\n",
]


@given(
    values=st.lists(st.sampled_from([*ANSWERS, MESSAGE, PUSH]), max_size=12),
    cuts=st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=20),
)
def test_values_come_whole_wherever_the_stream_was_cut(
    values: list[bytes], cuts: list[int]
) -> None:
    stream, reader, found = b"".join(values), Values(), []
    position = 0
    while position < len(stream):
        size = cuts[position % len(cuts)]
        found += reader.feed(stream[position : position + size])
        position += size

    assert found == values


def test_only_what_a_subscription_brings_is_a_push() -> None:
    assert is_push(MESSAGE)
    assert is_push(PUSH)
    assert not any(is_push(value) for value in ANSWERS)


def test_weather_changes_pushes_and_nothing_else() -> None:
    proxy = BusProxy(1, random.Random(1))
    calm = [*ANSWERS, MESSAGE]

    assert proxy.blown(calm) == calm

    proxy.change(Weather(lost=1.0))
    assert proxy.blown(calm) == ANSWERS

    proxy.change(Weather(doubled=1.0))
    assert proxy.blown([MESSAGE]) == [MESSAGE, MESSAGE]

    proxy.change(Weather(reordered=1.0))
    assert proxy.blown([MESSAGE, PUSH, b"+OK\r\n"]) == [PUSH, MESSAGE, b"+OK\r\n"]
