"""Log-in by Telegram's Ed25519 signature, with a key pair of our own in the place of Telegram's."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aeon.config import Settings
from aeon.telegram.init_data import PUBLIC_KEYS, sign
from tests.helpers.clients import Server
from tests.helpers.rawsocket import RawClient, connected, frame
from tests.helpers.telegram import BOT_TOKEN
from tests.helpers.telegram import init_data as hmac_alone

ANNA = 1001
BOT_ID = int(BOT_TOKEN.partition(":")[0])
OTHER_TOKEN = f"{BOT_ID}:AAOtherOtherOtherOtherOtherOtherOther"
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Telegram:
    """Signs as Telegram does: the signature over what is sent, the hash over both."""

    key: Ed25519PrivateKey

    def init_data(
        self,
        *,
        bot_id: int = BOT_ID,
        token: str = BOT_TOKEN,
        key: Ed25519PrivateKey | None = None,
        age_seconds: int = 0,
    ) -> str:
        auth_date, user = int(time.time()) - age_seconds, f'{{"id":{ANNA},"first_name":"Anna"}}'
        text = f"{bot_id}:WebAppData\nauth_date={auth_date}\nuser={user}"
        signature = base64.urlsafe_b64encode((key or self.key).sign(text.encode()))
        return sign(
            token,
            user={"id": ANNA, "first_name": "Anna"},
            auth_date=auth_date,
            signature=signature.rstrip(b"=").decode(),
        )


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Telegram:
    key = Ed25519PrivateKey.generate()
    monkeypatch.setitem(PUBLIC_KEYS, "production", key.public_key().public_bytes_raw())
    return Telegram(key)


def without(name: str, init_data: str) -> str:
    return "&".join(pair for pair in init_data.split("&") if not pair.startswith(name + "="))


async def verdicts(server: Server, init_data: str) -> set[str]:
    """How REST, the handshake and the first frame of a WebSocket judge the same credentials."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.get("/api/v1/me", headers={"X-Telegram-Init-Data": init_data})
    told = {"welcome" if answer.status_code == 200 else answer.json()["code"]}
    async with connected(server.port) as socket:
        await socket.handshake(f"/ws?init_data={quote(init_data, safe='')}")
        told.add(await verdict(socket))
    async with connected(server.port) as socket:
        await socket.handshake("/ws")
        await socket.send(frame(1, orjson.dumps({"type": "auth", "init_data": init_data})))
        told.add(await verdict(socket))
    return told


async def verdict(socket: RawClient) -> str:
    opcode, payload = await socket.frame()
    if opcode == 8:
        assert int.from_bytes(payload[:2], "big") == 4001
        return payload[2:].decode()
    assert orjson.loads(payload)["type"] == "connection_established"
    return "welcome"


class TestBySignatureAlone:
    """TELEGRAM_BOT_ID and no token: the third-party check."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"telegram_bot_token": None, "telegram_bot_id": BOT_ID})

    async def test_good_init_data_whatever_its_hash(
        self, server: Server, telegram: Telegram
    ) -> None:
        good = telegram.init_data()
        assert await verdicts(server, good) == {"welcome"}
        assert await verdicts(server, without("hash", good)) == {"welcome"}
        assert await verdicts(server, telegram.init_data(token=OTHER_TOKEN)) == {"welcome"}

    async def test_bad_init_data(self, server: Server, telegram: Telegram) -> None:
        good = telegram.init_data()
        stranger = Ed25519PrivateKey.generate()
        old = telegram.init_data(age_seconds=DAY_SECONDS + 60)
        early = telegram.init_data(age_seconds=-600)
        for bad in (
            telegram.init_data(key=stranger),
            telegram.init_data(bot_id=BOT_ID + 1),
            without("signature", good),
            good.replace("Anna", "Eve"),
            good + "&start_param=x",
            early,
        ):
            assert await verdicts(server, bad) == {"init_data_invalid"}
        assert await verdicts(server, old) == {"init_data_expired"}


class TestByBoth:
    """A token and TELEGRAM_ED25519: the hash and the signature have to be good."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"telegram_ed25519": "production"})

    async def test_neither_makes_up_for_the_other(self, server: Server, telegram: Telegram) -> None:
        good = telegram.init_data()
        assert await verdicts(server, good) == {"welcome"}
        for bad in (
            telegram.init_data(token=OTHER_TOKEN),
            telegram.init_data(key=Ed25519PrivateKey.generate()),
            telegram.init_data(bot_id=BOT_ID + 1),
            without("hash", good),
            without("signature", good),
            hmac_alone(ANNA),
        ):
            assert await verdicts(server, bad) == {"init_data_invalid"}


class TestByHashAlone:
    """A token alone: a signature is part of what the hash covers, and decides nothing."""

    async def test_a_signature_of_anybody_opens_nothing(
        self, server: Server, telegram: Telegram
    ) -> None:
        anybodys = telegram.init_data(key=Ed25519PrivateKey.generate())
        assert await verdicts(server, anybodys) == {"welcome"}
        for bad in (
            telegram.init_data(token=OTHER_TOKEN),
            without("signature", anybodys),
            without("hash", telegram.init_data()),
        ):
            assert await verdicts(server, bad) == {"init_data_invalid"}
