"""Init data: what is believed, and what is refused with which code."""

import base64
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aeon.telegram.init_data import (
    MAX_CHARACTERS,
    PUBLIC_KEYS,
    InitDataError,
    Verifier,
    sign,
)

# Published by the tma.js project; the real token of a throw-away bot.
VECTOR_TOKEN = "7342037359:AAFZehRPBRs8Seg40oDjTMIW8uTGPuW1zfQ"
VECTOR_DATE = 1733584787
VECTOR = (
    "user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%20%2B%20-%20%3F%20%5C%2F%22"
    "%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22"
    "%3A%22ru%22%2C%22is_premium%22%3Atrue%2C%22allows_write_to_pm%22%3Atrue%2C%22photo_url%22"
    "%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320%5C%2F4FPEE4tmP3ATHa57u6MqTDih13"
    "LTOiMoKoLDRG4PnSA.svg%22%7D&chat_instance=8134722200314281151&chat_type=private"
    "&auth_date=1733584787"
    "&signature=zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDKlo7Kb6G4D0Ao2mBrSgEk4maLSdv6"
    "MLIlADQ&hash=2174df5b000556d044f3f020384e879c8efcab55ddea2ced4eb752e93e7080d6"
)
TOKEN = "4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake"
NOW = 1_800_000_000
USER = {"id": 7, "first_name": "Anna"}


def code(raw: str, *, verifier: Verifier | None = None, now: float = NOW) -> str:
    with pytest.raises(InitDataError) as caught:
        (verifier or Verifier(TOKEN)).validate(raw, now=now)
    return caught.value.code


@pytest.mark.parametrize(
    "verifier",
    [
        Verifier(VECTOR_TOKEN),
        Verifier(VECTOR_TOKEN, ed25519_key=PUBLIC_KEYS["production"]),
        Verifier(None, bot_id=7342037359, ed25519_key=PUBLIC_KEYS["production"]),
    ],
    ids=["hmac", "both", "ed25519"],
)
def test_the_published_vector(verifier: Verifier) -> None:
    data = verifier.validate(VECTOR, now=VECTOR_DATE + 60)

    assert data.user.id == 279058397
    assert data.user.first_name == "Vladislav + - ? /"
    assert data.user.last_name == "Kibenko"
    assert data.user.username == "vdkfrost"
    assert data.user.language_code == "ru"
    assert data.user.is_premium
    assert data.user.allows_write_to_pm
    assert data.user.photo_url is not None
    assert data.user.photo_url.startswith("https://t.me/i/userpic/320/")
    assert data.auth_date == VECTOR_DATE


def test_every_changed_character_of_the_vector_is_noticed() -> None:
    verifier = Verifier(VECTOR_TOKEN)
    for position in range(0, len(VECTOR), 7):
        changed = "0" if VECTOR[position] != "0" else "1"
        tampered = VECTOR[:position] + changed + VECTOR[position + 1 :]
        assert code(tampered, verifier=verifier, now=VECTOR_DATE) == "init_data_invalid"


def test_the_signature_field_is_part_of_what_the_hash_covers() -> None:
    pairs = [pair for pair in parse_qsl(VECTOR) if pair[0] != "signature"]
    assert (
        code(urlencode(pairs), verifier=Verifier(VECTOR_TOKEN), now=VECTOR_DATE)
        == "init_data_invalid"
    )


def test_the_test_environments_key_does_not_open_production() -> None:
    verifier = Verifier(VECTOR_TOKEN, ed25519_key=PUBLIC_KEYS["test"])
    assert code(VECTOR, verifier=verifier, now=VECTOR_DATE) == "init_data_invalid"


def test_ed25519_signs_all_but_hash_and_signature() -> None:
    private_key = Ed25519PrivateKey.generate()
    key = private_key.public_key().public_bytes_raw()
    text = f'42:WebAppData\nauth_date={NOW}\nuser={{"id":7}}'
    signature = base64.urlsafe_b64encode(private_key.sign(text.encode())).rstrip(b"=").decode()
    user = quote('{"id":7}')
    verifier = Verifier(None, bot_id=42, ed25519_key=key)

    raw = f"user={user}&auth_date={NOW}&signature={signature}&hash=anything"
    assert verifier.validate(raw, now=NOW).user.id == 7
    for bad in ("", "A", "AAAA", signature[:-4] + "AAAA", "ü" * 86, signature + "=" * 4):
        raw = f"user={user}&auth_date={NOW}&signature={quote(bad)}"
        assert code(raw, verifier=verifier) == "init_data_invalid"
    assert code(f"user={user}&auth_date={NOW}", verifier=verifier) == "init_data_invalid"


def test_blank_values_and_unknown_fields_are_part_of_the_signed_text() -> None:
    raw = sign(TOKEN, user=USER, auth_date=NOW, start_param="", something_new="a+b c&d=e/ü")
    data = Verifier(TOKEN).validate(raw, now=NOW)
    assert (data.user.id, data.start_param) == (7, None)


def test_a_plus_is_a_space_and_decoding_happens_once() -> None:
    raw = sign(TOKEN, user={**USER, "last_name": "a b%20c+d"}, auth_date=NOW)
    for spelling in (raw, raw.replace("%20", "+")):
        assert Verifier(TOKEN).validate(spelling, now=NOW).user.last_name == "a b%20c+d"


@pytest.mark.parametrize("raw", ["", " ", "\t"])
def test_nothing_is_missing_and_not_invalid(raw: str) -> None:
    assert code(raw) == "init_data_missing"


@pytest.mark.parametrize(
    "raw",
    [
        "test_data",
        "user=%7B%22id%22%3A7%7D&auth_date=1800000000000&hash=fallback",
        "hash",
        "=",
        "&",
        "a=1&&b=2",
        "=x&hash=" + "0" * 64,
        "a=%&hash=" + "0" * 64,
        "a=%zz&hash=" + "0" * 64,
        "a=%ff&hash=" + "0" * 64,
        "a=\ud800&hash=" + "0" * 64,
        "hash=" + "ü" * 64,
        "hash=" + "0" * 64,
    ],
)
def test_malformed_and_unsigned_strings(raw: str) -> None:
    assert code(raw) == "init_data_invalid"


def test_repeated_keys_are_refused_even_when_signed() -> None:
    raw = sign(TOKEN, user=USER, auth_date=NOW, query_id="1")
    for extra in ("query_id=1", "query_id=2", "hash=" + "0" * 64, raw):
        assert code(f"{raw}&{extra}") == "init_data_invalid"
        assert code(f"{extra}&{raw}") == "init_data_invalid"


def test_another_bots_signature() -> None:
    assert code(sign("1:other", user=USER, auth_date=NOW)) == "init_data_invalid"


def test_an_upper_case_hash_is_not_telegrams() -> None:
    head, _, digest = sign(TOKEN, user=USER, auth_date=NOW).rpartition("=")
    assert code(f"{head}={digest.upper()}") == "init_data_invalid"


def test_age() -> None:
    raw = sign(TOKEN, user=USER, auth_date=NOW)
    verifier = Verifier(TOKEN, max_age_seconds=100)

    assert verifier.validate(raw, now=NOW + 100).auth_date == NOW
    assert code(raw, verifier=verifier, now=NOW + 101) == "init_data_expired"
    assert verifier.validate(raw, now=NOW - 300).auth_date == NOW
    assert code(raw, verifier=verifier, now=NOW - 301) == "init_data_invalid"


@pytest.mark.parametrize("auth_date", ["", "x", "-1", "1e3", " 1800000000", "9" * 13, "١٨"])
def test_a_date_that_is_no_number_of_seconds(auth_date: str) -> None:
    raw = sign(TOKEN, user=USER, auth_date=auth_date)  # type: ignore[arg-type]  # on purpose
    assert code(raw) == "init_data_invalid"


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"id": None},
        {"id": "7"},
        {"id": True},
        {"id": 0},
        {"id": -1},
        {"id": 2**53},
        {"id": 1.5},
    ],
)
def test_a_user_without_a_usable_id(user: dict[str, object]) -> None:
    assert code(sign(TOKEN, user=user, auth_date=NOW)) == "init_data_invalid"


def test_ids_have_more_than_32_bits() -> None:
    raw = sign(TOKEN, user={"id": 2**53 - 1}, auth_date=NOW)
    assert Verifier(TOKEN).validate(raw, now=NOW).user.id == 2**53 - 1


def test_odd_fields_of_a_signed_user_are_made_storable() -> None:
    user = {
        "id": 7,
        "first_name": None,
        "last_name": "a\0b",
        "username": "not a name",
        "language_code": 7,
        "photo_url": "javascript:alert(1)",
        "is_premium": "yes",
    }
    told = Verifier(TOKEN).validate(sign(TOKEN, user=user, auth_date=NOW), now=NOW).user
    assert told.first_name == ""
    assert told.last_name == "ab"
    assert (told.username, told.language_code, told.photo_url) == (None, None, None)
    assert told.is_premium is False


def test_long_strings_are_refused_unread() -> None:
    raw = sign(TOKEN, user=USER, auth_date=NOW, start_param="x" * MAX_CHARACTERS)
    assert code(raw) == "init_data_invalid"
    assert code("a" * 100_000) == "init_data_invalid"


def test_errors_tell_nothing_but_the_code() -> None:
    raw = sign("1:other", user=USER, auth_date=NOW)
    with pytest.raises(InitDataError) as caught:
        Verifier(TOKEN).validate(raw, now=NOW)
    assert str(caught.value) == "init_data_invalid"
    assert caught.value.__cause__ is None


def test_a_verifier_without_anything_to_check_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="token"):
        Verifier(None)
    with pytest.raises(ValueError, match="token"):
        Verifier(None, bot_id=7)
