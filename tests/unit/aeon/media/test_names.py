import pytest

from aeon.media.names import clean_filename, content_disposition


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("photo.jpg", "photo.jpg"),
        ("C:\\Users\\a\\photo.jpg", "photo.jpg"),
        ("../../x", "x"),
        ("..", None),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("exe.\u202egpj", "exe.gpj"),
        ("  .hidden. ", "hidden"),
        ("e\u0301.txt", "é.txt"),
        ('a"b<c>.txt', "abc.txt"),
        ("\ud800.txt", "txt"),
        ("n" * 400, "n" * 255),
        ("n" * 400 + ".tar", "n" * 251 + ".tar"),
    ],
)
def test_names(raw: str | None, expected: str | None) -> None:
    assert clean_filename(raw) == expected


def test_disposition_keeps_headers_whole() -> None:
    assert content_disposition("inline", None) == "inline"
    assert content_disposition("attachment", "a.txt") == 'attachment; filename="a.txt"'
    assert content_disposition("attachment", "ä%.txt") == (
        "attachment; filename=\"?_.txt\"; filename*=UTF-8''%C3%A4%25.txt"
    )
