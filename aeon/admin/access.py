"""Who may use the operators' endpoints: people of ADMIN_TELEGRAM_IDS, and holders of ADMIN_TOKEN.

Rules of this file:

- The database is not asked, so that an operator gets in while it is away: the admin token and
  the signature of init data suffice. Only an access token needs it, where its revocation stands.
- The token is compared in constant time, and guessing is limited by network address.
- Everybody who asks is written down, whatever comes of it (what an operator reads again and again,
  and what a stranger is refused again and again, once a minute); but not what is refused for its
  rate, or a flood of guesses would fill the trail.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from aeon.admin.trail import Use, printable
from aeon.auth.authenticate import Credentials, authenticate, validate_init_data
from aeon.auth.rates import check_rate_of
from aeon.errors import EdgeError, describe
from aeon.limits import Kind
from aeon.services import Services
from storage.ids import UserId

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever asks for an operators' endpoint."""

    user_id: UserId | None = None
    has_token: bool = False

    @property
    def who(self) -> str:
        """For the trail."""
        if self.has_token:
            return "token"
        return "nobody" if self.user_id is None else f"user:{self.user_id}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for an operators' endpoint."""

    action: str
    path: Mapping[str, str]
    is_reading: bool
    """It changes nothing."""
    credentials: Credentials
    address: str
    request_id: str | None

    @property
    def target(self) -> str | None:
        """What it is about."""
        return printable("/".join(self.path.values())) or None


async def run_for_operator(
    services: Services, visit: Visit, work: Callable[[], Awaitable[AnswerT]]
) -> AnswerT:
    """Do ``work`` if an operator asks, and write the visit down.

    Raises:
        AuthError: nobody, or nobody any more.
        EdgeError: ``not_allowed``.
        RateLimited: too many requests from this address.
        storage.errors.StorageError: an access token can not be checked.
    """
    check_rate_of(services, visit.address, Kind.OPERATE)
    visitor, outcome, is_operator = Visitor(), "cancelled", False
    try:
        visitor = await identify(services, visit.credentials)
        _require_operator(services, visitor)
        is_operator = True
        answer = await work()
        outcome = "ok"
        return answer
    except Exception as error:
        outcome = describe(error).code
        raise
    finally:
        services.audit.note(
            Use(
                at=services.now(),
                who=visitor.who,
                user_id=visitor.user_id,
                action=visit.action,
                target=visit.target,
                outcome=outcome,
                request_id=visit.request_id,
                is_reading=is_operator and visit.is_reading,
                is_refused=not is_operator,
            )
        )


async def identify(services: Services, credentials: Credentials) -> Visitor:
    """Find out who presents these credentials."""
    if credentials.token is not None and is_admin_token(services, credentials.token):
        return Visitor(has_token=True)
    if credentials.init_data is not None:
        return Visitor(UserId(validate_init_data(services, credentials.init_data).user.id))
    return Visitor((await authenticate(services, credentials)).user_id)


def is_admin_token(services: Services, given: str) -> bool:
    """Compare in constant time, whatever the lengths."""
    token = services.settings.admin_token
    if token is None:
        return False
    wanted = sha256(token.get_secret_value().encode()).digest()
    return hmac.compare_digest(sha256(given.encode("utf-8", "surrogatepass")).digest(), wanted)


def _require_operator(services: Services, visitor: Visitor) -> None:
    if visitor.has_token or visitor.user_id in services.settings.admin_telegram_ids:
        return
    raise EdgeError("not_allowed", "Only administrators of the server may do this.")
