from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeon.media.errors import InvalidUpload
from aeon.media.form import UploadForm

TYPE = "multipart/form-data; boundary=bound"


def body(content: bytes) -> bytes:
    return (
        b'--bound\r\nContent-Disposition: form-data; name="kind"\r\n\r\nvoice\r\n'
        b'--bound\r\nContent-Disposition: form-data; name="file"; filename="a%22b.txt"\r\n'
        b"Content-Type: text/html\r\n\r\n" + content + b"\r\n"
        b'--bound\r\nContent-Disposition: form-data; name="note"\r\n\r\nlast\r\n--bound--\r\n'
    )


@given(
    content=st.binary(max_size=300)
    | st.lists(st.sampled_from([b"\r", b"\n", b"--", b"bound", b"\r\n--boun", b"x"])).map(b"".join),
    cuts=st.lists(st.integers(min_value=0, max_value=600), max_size=12),
)
def test_however_the_body_is_cut_the_file_is_the_same(content: bytes, cuts: list[int]) -> None:
    whole = body(content)
    if b"\r\n--bound" in b"\r\n" + content + b"\r":
        return
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    form = UploadForm(TYPE)
    received = b""
    for start, stop in pairwise(edges):
        received += b"".join(form.feed(whole[start:stop]))
    form.finish()

    assert received == content
    assert form.fields == {"kind": "voice", "note": "last"}
    assert form.raw_filename == 'a"b.txt'


@given(st.binary(max_size=2000))
def test_noise_is_refused_and_never_breaks(noise: bytes) -> None:
    form = UploadForm(TYPE)
    with pytest.raises(InvalidUpload):  # noqa: PT012 - in either of the two
        form.feed(noise)
        form.finish()


def test_a_field_may_not_grow() -> None:
    form = UploadForm(TYPE)
    form.feed(b'--bound\r\nContent-Disposition: form-data; name="kind"\r\n\r\n')
    with pytest.raises(InvalidUpload):
        form.feed(b"x" * 2000)


def test_nor_may_their_number() -> None:
    form = UploadForm(TYPE)
    with pytest.raises(InvalidUpload):
        form.feed(b'--bound\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 20)
