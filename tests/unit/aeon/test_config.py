"""Settings: what is read, what is refused, and that env.example tells it all."""

import re
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aeon.config import Settings, SettingsError, kept_secret_key, load_settings

ROOT = Path(__file__).parents[3]
TOKEN = "4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake"
KEY = "k" * 48


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_env_example_names_every_setting_with_its_default() -> None:
    text = (ROOT / "env.example").read_text()
    shown = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text, flags=re.MULTILINE))

    assert shown.keys() == {name.upper() for name in Settings.model_fields}
    given = {name.lower(): value for name, value in shown.items() if value}
    assert Settings.model_validate(given) == Settings()
    blank = [name.lower() for name, value in shown.items() if not value]
    assert not any(getattr(Settings(), name) for name in blank)


def test_env_example_explains_every_setting() -> None:
    blocks = re.split(r"\n\s*\n", (ROOT / "env.example").read_text())
    for block in blocks:
        if re.search(r"^#?[A-Z][A-Z0-9_]+=", block, flags=re.MULTILINE):
            assert re.match(r"# \S", block), block


def test_env_example_tells_the_range_of_every_number() -> None:
    blocks = re.split(r"\n\s*\n", (ROOT / "env.example").read_text())
    bounded = {name: field for name, field in Settings.model_fields.items() if field.metadata}
    assert {"port", "workers", "max_body_bytes", "app_name"} <= bounded.keys()
    for name, field in bounded.items():
        (block,) = [b for b in blocks if re.search(rf"^#?{name.upper()}=", b, flags=re.MULTILINE)]
        told = set(re.findall(r"\d+", block.rpartition("\n")[0]))
        bounds = [
            int(getattr(constraint, bound))
            for constraint in field.metadata
            for bound in ("ge", "le", "min_length", "max_length")
            if getattr(constraint, bound, None) is not None
        ]
        assert {str(bound) for bound in bounds} <= told, name


def test_env_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / "env.example").read_text())
    settings = load_settings(is_serving=True)
    assert settings.database_url is None
    assert not settings.can_authenticate


@pytest.mark.parametrize(
    "text",
    ["https://a.example,https://b.example", '["https://a.example", "https://b.example/"]'],
)
def test_lists_are_comma_lists_or_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    monkeypatch.setenv("ADMIN_TELEGRAM_IDS", "7, 8")
    settings = load_settings()
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.admin_telegram_ids == {7, 8}


def test_the_environment_wins_over_the_file_and_arguments_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1001\nHOST=10.0.0.1\nAPP_NAME=File\nOPENAI_API_KEY=x\n")
    monkeypatch.setenv("PORT", "1002")
    monkeypatch.setenv("APP_NAME", "")
    settings = load_settings(host="10.0.0.2")
    assert (settings.host, settings.port, settings.app_name) == ("10.0.0.2", 1002, "File")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("WATCHDOG_SECONDS", "0.5"),
        ("EVENT_RETENTION_DAYS", "36501"),
        ("EDIT_WINDOW_HOURS", "inf"),
        ("TELEGRAM_BOT_TOKEN", "your_bot_token_here"),
        ("TELEGRAM_BOT_TOKEN", "123456:short"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "your-secret-key-here-please-change-it-now"),
        ("SECRET_KEY", "changeme-changeme-changeme-changeme"),
        ("SECRET_KEY", "Your_Super_Secret_Key_For_JWT_Tokens_12345"),
        ("SECRET_KEY", "change-this-to-a-random-string-in-production"),
        ("SECRET_KEY", "<a long random text that nobody knows>"),
        ("TELEGRAM_WEBHOOK_SECRET", "with space"),
        ("ALGORITHM", "none"),
        ("DATABASE_URL", "mysql://host/name"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy.example.org"),
        ("WORKERS", "0"),
        ("REDIS_URL", "http://host"),
        ("PUBLIC_URL", "chat.example.org"),
        ("CORS_ORIGINS", "chat.example.org"),
        ("CORS_ORIGINS", '["https://a.example"'),
        ("ADMIN_TELEGRAM_IDS", "anna"),
        ("RATE_LIMITS", "maybe"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"  {name}: " in str(caught.value)
    if name in ("SECRET_KEY", "TELEGRAM_BOT_TOKEN", "DATABASE_URL", "TELEGRAM_WEBHOOK_SECRET"):
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "Zk3yourQ7wD1mXo0pLr9sTn5vBc8hGj2",
        "9-Your_x2-change-Fq7ZtB1nLmW0rKdH3sVuXc5pJgYiEoA8bQvN6TzUhRkDwMlS",
        "q<Vb2#kPz9!mWx4&rTn6>sJd8@hLf0Gc",
    ],
)
def test_a_random_key_may_hold_a_word_by_chance(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SECRET_KEY", key)
    kept = load_settings().secret_key
    assert kept is not None
    assert kept.get_secret_value() == key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALGORITHM", "hs512"),
        ("LOG_LEVEL", "debug"),
        ("LOG_FORMAT", "JSON"),
        ("RATE_LIMITS", "Off"),
        ("TELEGRAM_ED25519", "Test"),
    ],
)
def test_a_choice_may_be_given_in_any_case(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    chosen = getattr(load_settings(), name.lower())
    assert chosen != value
    assert chosen.lower() == value.lower()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_FILE_SIZE", "50MB", "give a whole number"),
        ("ADMIN_TELEGRAM_IDS", "@anna", "give a whole number"),
        ("ACTOR_IDLE_SECONDS", "5m", "give a number"),
        ("MEDIA_INLINE_PDF", "maybe", "give true or false"),
        ("REDIS_PREFIX", "a b", "takes 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).splitlines()[1:] == [f"  {name}: {words}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Python's longest stretch of time is a billion days; PostgreSQL's begins 6,700 years ago.
        ("EDIT_WINDOW_HOURS", "inf"),
        ("EDIT_WINDOW_HOURS", "1e11"),
        ("EVENT_RETENTION_DAYS", "10000000000"),
        ("EVENT_RETENTION_DAYS", "3000000"),
        # A PostgreSQL bigint ends before it.
        ("MEDIA_USER_QUOTA", str(2**63)),
    ],
)
def test_a_number_that_no_clock_or_column_can_hold_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"  {name}: "):
        load_settings()


def test_a_newcomer_gets_a_secret_key_that_stays(tmp_path: Path) -> None:
    first = load_settings(is_serving=True)
    second = load_settings(is_serving=True)

    assert first.secret_key is not None
    assert first.secret_key == second.secret_key
    assert len(first.secret_key.get_secret_value()) >= 48
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600


def test_a_start_that_is_killed_as_it_writes_the_key_leaves_no_part_of_one(tmp_path: Path) -> None:
    killed_by_its_first_written_byte = (
        "import pathlib, resource, signal\n"
        "from aeon.config import kept_secret_key\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "kept_secret_key(pathlib.Path('data'))\n"
    )
    command = [sys.executable, "-B", "-c", killed_by_its_first_written_byte]
    ended = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == -signal.SIGXFSZ

    assert len(kept_secret_key(tmp_path / "data")) >= 48


def test_those_who_start_at_once_get_the_same_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_token = secrets.token_urlsafe
    of_the_faster = []

    def slowly(size: int) -> str:
        monkeypatch.setattr(secrets, "token_urlsafe", make_token)
        of_the_faster.append(kept_secret_key(tmp_path / "data"))
        return make_token(size)

    monkeypatch.setattr(secrets, "token_urlsafe", slowly)

    assert kept_secret_key(tmp_path / "data") == of_the_faster[0]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_a_damaged_secret_key_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret_key").write_text("x")
    with pytest.raises(SettingsError, match="damaged"):
        load_settings(is_serving=True)


def test_ones_own_database_needs_token_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    load_settings()
    with pytest.raises(SettingsError) as caught:
        load_settings(is_serving=True)
    assert "TELEGRAM_BOT_TOKEN" in str(caught.value)
    assert "SECRET_KEY" in str(caught.value)

    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SECRET_KEY", KEY)
    assert load_settings(is_serving=True).can_authenticate


def test_a_kept_key_will_do_over_ones_own_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    key = kept_secret_key(tmp_path / "data")

    settings = load_settings(is_serving=True)

    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == key


@pytest.mark.parametrize("given", ["0", "many", "-1", "1000"])
def test_a_platforms_number_of_workers_is_checked(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", given)
    with pytest.raises(SettingsError, match="WEB_CONCURRENCY"):
        load_settings(is_serving=True)


def test_several_workers_need_redis_and_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    with pytest.raises(SettingsError, match="REDIS_URL"):
        load_settings(is_serving=True)
    assert load_settings(workers=1, is_serving=True).workers == 1
    monkeypatch.setenv("WORKERS", "1")
    assert load_settings(is_serving=True).workers == 1
    monkeypatch.delenv("WORKERS")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert load_settings(is_serving=True).workers == 3


def test_settings_of_a_bucket_are_unused_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().unused_names == ()
    monkeypatch.setenv("S3_REGION", "eu-central-1")
    monkeypatch.setenv("S3_ACCESS_KEY", "someone")
    monkeypatch.setenv("S3_SECRET_KEY", "")
    assert load_settings().unused_names == ("S3_ACCESS_KEY", "S3_REGION")
    monkeypatch.setenv("S3_BUCKET", "files")
    assert load_settings().unused_names == ()


def test_secrets_do_not_show() -> None:
    settings = Settings(_env_file=None, telegram_bot_token=TOKEN, secret_key=KEY)
    assert TOKEN not in repr(settings)
    assert KEY not in repr(settings)
