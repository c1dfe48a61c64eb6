"""Oneself, others, sessions and the server's administrators over REST."""

from __future__ import annotations

from typing import Final

from aeon.api import examples
from aeon.api.route import Answer, Call, Route
from aeon.errors import FieldFault, InvalidInput
from aeon.limits import Kind
from aeon.usecases import sessions, users
from aeon.wire import encode, requests, schemas


async def _get_me(call: Call) -> Answer:
    """Show yourself. The first request of a person creates them."""
    return Answer(encode.account(call.principal.user))


async def _update_me(call: Call) -> Answer:
    """Change your bio and privacy; all else is what Telegram says."""
    user, privacy = await users.update_me(
        call.services, call.principal, call.body(requests.UpdateMeInput)
    )
    shown = requests.PrivacyInput.model_validate(privacy).model_dump()
    return Answer({**encode.account(user), "privacy": shown})


async def _check_invitations(call: Call) -> Answer:
    """Take up the invitations for your username, and show yourself."""
    accepted = await users.check_invitations(call.services, call.principal)
    text = f"Accepted {accepted} invitations" if accepted else "No new invitations"
    return Answer({**encode.account(call.principal.user), "message": text, "accepted": accepted})


async def _get_user(call: Call) -> Answer:
    """Look somebody up by id: yourself, or somebody you share a chat with."""
    return Answer(encode.profile(await users.get_user(call.services, call.principal, call.user_id)))


async def _find_user(call: Call) -> Answer:
    """Look somebody up by username: yourself, or somebody you share a chat with."""
    username = call.query(requests.LookupQuery).username
    return Answer(encode.profile(await users.find_user(call.services, call.principal, username)))


async def _create_token(call: Call) -> Answer:
    """Trade init data for an access token.

    Send it as `Authorization: Bearer` wherever init data is accepted; it can be revoked.
    """
    wanted = call.body(requests.TokenInput)
    issued = await sessions.create_token(call.services, wanted.init_data, wanted.device)
    return Answer(
        {
            "access_token": issued.access_token,
            "token_type": "bearer",
            "expires_in": issued.expires_in_seconds,
            "session_id": issued.session_id,
        }
    )


async def _list_sessions(call: Call) -> Answer:
    """List your access tokens that still stand, the newest first."""
    found = await sessions.list_sessions(call.services, call.principal)
    return Answer(
        [
            {
                "id": one.id,
                "device": one.device,
                "created_at": encode.timestamp(one.created_at),
                "expires_at": encode.timestamp(one.expires_at),
                "last_used_at": encode.optional_timestamp(one.last_used_at),
                "is_current": one.id == call.principal.session_id,
            }
            for one in found
        ]
    )


async def _revoke_session(call: Call) -> Answer:
    """End one of your sessions: its token is refused from now on, its connections are closed."""
    await sessions.revoke_session(call.services, call.principal, call.path["session_id"])
    return Answer({"message": "The session ended", "revoked": 1})


async def _revoke_all_sessions(call: Call) -> Answer:
    """End all your sessions."""
    count = await sessions.revoke_all_sessions(call.services, call.principal)
    return Answer({"message": f"Ended {count} sessions", "revoked": count})


async def _list_users(call: Call) -> Answer:
    """List everybody, by id, as an administrator of the server. `X-Total-Count` counts them."""
    wanted = call.query(requests.PageQuery)
    page = await users.list_users(call.services, call.principal, wanted.page, wanted.per_page)
    return Answer(
        [encode.account(user) for user in page.users],
        headers={"X-Total-Count": str(page.total)},
    )


async def _make_admin(call: Call) -> Answer:
    """Make somebody an administrator of the server; the username in the query or the body."""
    await users.set_admin(call.services, call.principal, _username(call), is_admin=True)
    return Answer({"message": "The person is an administrator now"})


async def _remove_admin(call: Call) -> Answer:
    """Make somebody a plain user again; not those whom ADMIN_TELEGRAM_IDS names."""
    await users.set_admin(call.services, call.principal, _username(call), is_admin=False)
    return Answer({"message": "The person is no administrator any more"})


def _username(call: Call) -> str:
    body = call.maybe_body
    if isinstance(body, requests.MakeAdminInput):
        return body.username
    username = call.query(requests.MakeAdminQuery).username
    if username is None:
        raise InvalidInput([FieldFault("username", "Field required")])
    return username


_V1 = "/api/v1"
_LOGIN_ERRORS = (
    "init_data_missing",
    "init_data_invalid",
    "init_data_expired",
    "login_unavailable",
)
_CHECKED = {**examples.ACCOUNT, "message": "No new invitations", "accepted": 0}
_PRIVACY = {"show_last_seen": True, "show_read_receipts": True}
_PROFILE = {**examples.PERSON, "bio": None, "is_premium": False}

ROUTES: Final = (
    Route(
        method="GET",
        path=f"{_V1}/me",
        handler=_get_me,
        summary="Show yourself",
        tag="people",
        returns=schemas.Account,
        rate=Kind.READ,
        example=examples.ACCOUNT,
    ),
    Route(
        method="PUT",
        path=f"{_V1}/me",
        handler=_update_me,
        summary="Change yourself",
        tag="people",
        returns=schemas.AccountWithPrivacy,
        body=requests.UpdateMeInput,
        rate=Kind.CHANGE,
        errors=("user_not_found",),
        example={**examples.ACCOUNT, "privacy": _PRIVACY},
        body_example={"bio": "Reads a lot"},
    ),
    Route(
        method="POST",
        path=f"{_V1}/users/check-invitations",
        handler=_check_invitations,
        summary="Take up invitations",
        tag="people",
        returns=schemas.CheckedAccount,
        rate=Kind.CHANGE,
        example=_CHECKED,
    ),
    Route(
        method="GET",
        path=f"{_V1}/users/lookup",
        handler=_find_user,
        summary="Look somebody up by username",
        tag="people",
        returns=schemas.Profile,
        query=requests.LookupQuery,
        rate=Kind.READ,
        errors=("user_not_found",),
        example=_PROFILE,
    ),
    Route(
        method="GET",
        path=f"{_V1}/users/{{user_id}}",
        handler=_get_user,
        summary="Look somebody up by id",
        tag="people",
        returns=schemas.Profile,
        rate=Kind.READ,
        errors=("user_not_found",),
        example=_PROFILE,
    ),
    Route(
        method="POST",
        path=f"{_V1}/auth/token",
        handler=_create_token,
        summary="Get an access token",
        tag="sessions",
        returns=schemas.Token,
        body=requests.TokenInput,
        needs_login=False,
        errors=(*_LOGIN_ERRORS, "rate_limited", "unavailable", "overloaded"),
        example=examples.TOKEN,
        body_example={"init_data": "user=...&auth_date=...&hash=...", "device": "Phone"},
    ),
    Route(
        method="GET",
        path=f"{_V1}/auth/sessions",
        handler=_list_sessions,
        summary="List your sessions",
        tag="sessions",
        returns=list[schemas.SessionItem],
        rate=Kind.READ,
        example=[examples.SESSION],
    ),
    Route(
        method="DELETE",
        path=f"{_V1}/auth/sessions",
        handler=_revoke_all_sessions,
        summary="End all sessions",
        tag="sessions",
        returns=schemas.Revoked,
        rate=Kind.CHANGE,
        example={"message": "Ended 2 sessions", "revoked": 2},
    ),
    Route(
        method="DELETE",
        path=f"{_V1}/auth/sessions/{{session_id}}",
        handler=_revoke_session,
        summary="End a session",
        tag="sessions",
        returns=schemas.Revoked,
        rate=Kind.CHANGE,
        errors=("session_not_found",),
        example={"message": "The session ended", "revoked": 1},
    ),
    Route(
        method="GET",
        path=f"{_V1}/admin/users",
        handler=_list_users,
        summary="List everybody",
        tag="administration",
        returns=list[schemas.Account],
        query=requests.PageQuery,
        rate=Kind.READ,
        errors=("not_allowed",),
        example=[examples.ACCOUNT],
    ),
    Route(
        method="POST",
        path=f"{_V1}/admin/users/make-admin-by-username",
        handler=_make_admin,
        summary="Make an administrator",
        tag="administration",
        returns=schemas.Done,
        query=requests.MakeAdminQuery,
        body=requests.MakeAdminInput,
        is_body_optional=True,
        rate=Kind.CHANGE,
        errors=("not_allowed", "user_not_found"),
        example={"message": "The person is an administrator now"},
        body_example={"username": "boris"},
    ),
    Route(
        method="POST",
        path=f"{_V1}/admin/users/remove-admin-by-username",
        handler=_remove_admin,
        summary="Take an administrator's role",
        tag="administration",
        returns=schemas.Done,
        query=requests.MakeAdminQuery,
        body=requests.MakeAdminInput,
        is_body_optional=True,
        rate=Kind.CHANGE,
        errors=("not_allowed", "user_not_found"),
        example={"message": "The person is no administrator any more"},
        body_example={"username": "boris"},
    ),
)
