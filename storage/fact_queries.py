"""The statements that read what a batch is decided on. Their parameters are whole batches.

Types of rows: see the reader of each in ``fact_rows``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Interval,
    String,
    and_,
    any_,
    bindparam,
    func,
    lateral,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql import Select

from storage.json_rows import id_array, json_rows
from storage.mapping import (
    chat_columns,
    media_columns,
    member_columns,
    message_columns,
    user_columns,
)
from storage.query import Query
from storage.tables import chats, media, members, messages, users


def _messages() -> Select[Any]:
    return select(*message_columns(messages, users, media)).select_from(
        messages.join(users, users.c.id == messages.c.sender_id).outerjoin(
            media, media.c.id == messages.c.media_id
        )
    )


_creator_rows = json_rows("creators", user_id=BigInteger)
LOCK_CREATORS: Final = Query(select(func.pg_advisory_xact_lock(_creator_rows.c.user_id)))
LOCK_CHATS: Final = Query(
    select(*chat_columns(), chats.c.owner_id, chats.c.pair_low_id, chats.c.pair_high_id)
    .where(chats.c.id == any_(id_array("chat_ids")))
    .order_by(chats.c.id)
    .with_for_update(key_share=True)
)
# ``now()`` is when the transaction began, maybe before the chat's last event was stamped.
CLOCK_AND_IDS: Final = Query(
    "SELECT clock_timestamp(),"
    " ARRAY(SELECT nextval('message_ids') FROM generate_series(1, %(new_messages)s::integer))"
)
_member_rows = json_rows("member_rows", chat_id=BigInteger, user_id=BigInteger)
MEMBERS: Final = Query(
    select(
        members.c.chat_id,
        members.c.user_id,
        members.c.role,
        members.c.read_seq,
        members.c.read_message_id,
        members.c.joined_at,
    ).join(
        _member_rows,
        and_(
            members.c.chat_id == _member_rows.c.chat_id,
            members.c.user_id == _member_rows.c.user_id,
        ),
    )
)
ALL_MEMBERS: Final = Query(
    select(members.c.chat_id, *member_columns())
    .select_from(
        members.join(users, users.c.id == members.c.user_id).join(
            chats, chats.c.id == members.c.chat_id
        )
    )
    .where(
        (members.c.chat_id == any_(id_array("whole_chats")))
        | (
            (members.c.chat_id == any_(id_array("private_chats")))
            & (chats.c.type == literal_column("'private'"))
        )
    )
)
MESSAGES: Final = Query(_messages().where(messages.c.id == any_(id_array("message_ids"))))
_key_rows = json_rows("client_keys", sender_id=BigInteger, client_msg_id=String)
SENT: Final = Query(
    _messages().join(
        _key_rows,
        and_(
            messages.c.sender_id == _key_rows.c.sender_id,
            messages.c.client_msg_id == _key_rows.c.client_msg_id,
        ),
    )
)
_source_rows = json_rows("sources", message_id=BigInteger, user_id=BigInteger)
READABLE: Final = Query(
    select(_source_rows.c.message_id, _source_rows.c.user_id).select_from(
        _source_rows.join(messages, messages.c.id == _source_rows.c.message_id)
        .join(
            members,
            and_(
                members.c.chat_id == messages.c.chat_id,
                members.c.user_id == _source_rows.c.user_id,
            ),
        )
        .join(chats, and_(chats.c.id == messages.c.chat_id, chats.c.is_active))
    )
)
USERS: Final = Query(select(*user_columns()).where(users.c.id == any_(id_array("user_ids"))))
_media_rows = json_rows("media_ids", media_id=String)
MEDIA: Final = Query(
    select(*media_columns()).join(_media_rows, media.c.id == _media_rows.c.media_id)
)
_newest_rows = json_rows("read_chats", chat_id=BigInteger)
_newest = lateral(
    select(messages.c.id, messages.c.seq)
    .where(messages.c.chat_id == _newest_rows.c.chat_id)
    .order_by(messages.c.seq.desc())
    .limit(literal_column("1"))
).alias("newest")
NEWEST: Final = Query(
    select(_newest_rows.c.chat_id, _newest.c.id, _newest.c.seq).select_from(
        _newest_rows.join(_newest, true())
    )
)
_pair_rows = json_rows("pairs", low=BigInteger, high=BigInteger)
PAIRS: Final = Query(
    select(chats.c.pair_low_id, chats.c.pair_high_id, chats.c.id)
    .join(
        _pair_rows,
        and_(chats.c.pair_low_id == _pair_rows.c.low, chats.c.pair_high_id == _pair_rows.c.high),
    )
    .where(chats.c.is_active, chats.c.pair_low_id.is_not(None))
)
RECENT: Final = Query(
    select(
        chats.c.created_by,
        chats.c.id,
        chats.c.type,
        chats.c.title,
        func.array_agg(members.c.user_id),
        chats.c.created_at,
    )
    .join(members, members.c.chat_id == chats.c.id)
    .where(
        chats.c.created_by == any_(id_array("recent_creators")),
        chats.c.created_at > func.clock_timestamp() - bindparam("window", type_=Interval),
        chats.c.last_seq == literal_column("1"),
        chats.c.is_active,
    )
    .group_by(chats.c.id)
)
