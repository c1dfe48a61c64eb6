from hypothesis import given
from hypothesis import strategies as st

from aeon.load.bodies import read_body, write_body


@given(st.integers(0, 2**60), st.integers(0, 2**62), st.integers(0, 4096))
def test_a_text_says_which_message_it_is(key: int, due_ns: int, length: int) -> None:
    text = write_body("ab12", key, due_ns, length)

    assert read_body("ab12", text) == (key, due_ns)
    assert len(text) <= max(length, 80)
    assert text.strip()


@given(st.text())
def test_other_texts_are_not_ours(text: str) -> None:
    assert read_body("ab12", text) is None


def test_texts_of_another_run_are_not_ours() -> None:
    assert read_body("ab12", write_body("cd34", 1, 2)) is None
    assert read_body("ab12", None) is None


def test_an_edited_text_still_says_it() -> None:
    assert read_body("ab12", write_body("ab12", 7, 8) + "(edited)") == (7, 8)
