from urllib.parse import parse_qs, urlsplit

from aeon.media.links import LinkMaker, LinkSigner, SignedLinks, thumbnail_subject
from storage.ids import MediaId, UserId
from storage.records import MediaRecord

HOUR = 3600
PICTURE = MediaRecord(
    id=MediaId("pic-1_A"),
    uploader_id=UserId(1),
    message_type="photo",
    media_type="image/jpeg",
    size_bytes=1,
    duration_seconds=None,
    width=1,
    height=1,
    filename=None,
    has_thumbnail=True,
)


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def signer(clock: Clock, key: str = "k" * 32) -> LinkSigner:
    return LinkSigner(key, 6 * HOUR, clock)


def test_a_link_is_stable_within_a_window_and_lives_for_one_to_two() -> None:
    clock = Clock()
    links = SignedLinks(signer(clock), "https://a.example")
    clock.now = 6 * HOUR * 50_000.0
    first = links.file(PICTURE)
    clock.now += 6 * HOUR - 1
    assert links.file(PICTURE) == first
    clock.now += 1
    assert links.file(PICTURE) != first
    assert LinkMaker(signer(clock), None).media_id_of(first) == PICTURE.id
    clock.now += 6 * HOUR
    assert LinkMaker(signer(clock), None).media_id_of(first) is None


def test_a_link_of_another_key_is_not_ours() -> None:
    clock = Clock()
    theirs = SignedLinks(signer(clock, "x" * 32), "").file(PICTURE)
    assert LinkMaker(signer(clock), None).media_id_of(theirs) is None


def test_what_is_no_address_is_no_link_of_ours() -> None:
    assert LinkMaker(signer(Clock()), None).media_id_of("//a[/media/x") is None


def test_a_previews_link_does_not_open_the_file() -> None:
    clock = Clock()
    ours = signer(clock)
    query = parse_qs(urlsplit(SignedLinks(ours, "").thumbnail(PICTURE) or "").query)
    expires, signature = query["e"][0], query["s"][0]
    assert ours.remaining_seconds(thumbnail_subject(PICTURE.id), expires, signature) is not None
    assert ours.remaining_seconds(PICTURE.id, expires, signature) is None


def test_nonsense_is_refused_without_noise() -> None:
    ours = signer(Clock())
    for expires, signature in [
        ("", ""),
        ("abc", "x"),
        ("-1", "x"),
        ("1" * 50, "x"),
        ("²", "x"),
        ("2000000000", "\udcff"),
        ("2000000000", "ü"),
    ]:
        assert ours.remaining_seconds("pic", expires, signature) is None


def test_an_expiry_can_not_be_moved() -> None:
    clock = Clock()
    ours = signer(clock)
    later = str(ours.expiry() + 1)
    assert ours.remaining_seconds("pic", later, ours.sign("pic", ours.expiry())) is None


def test_public_url_wins_over_the_requests_origin() -> None:
    maker = LinkMaker(signer(Clock()), "https://chat.example")
    assert (
        maker.for_origin("https://evil.example")
        .file(PICTURE)
        .startswith("https://chat.example/media/pic-1_A.jpg?e=")
    )
    assert maker.public.file(PICTURE).startswith("https://chat.example/")


def test_without_public_url_frames_name_no_origin() -> None:
    maker = LinkMaker(signer(Clock()), None)
    assert maker.public.file(PICTURE).startswith("/media/")
    assert maker.for_origin("http://h:1").file(PICTURE).startswith("http://h:1/media/")


def test_photos_of_chats() -> None:
    links = SignedLinks(signer(Clock()), "https://a.example")
    assert links.photo(None) is None
    assert links.photo("https://t.me/x.jpg") == "https://t.me/x.jpg"
    shown = links.photo("media:pic-1_A")
    assert LinkMaker(signer(Clock()), None).media_id_of(shown or "") == PICTURE.id
