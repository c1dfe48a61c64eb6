"""The statements that read what a batch is decided on. Their parameters are whole batches.

Types of rows: see the reader of each in ``fact_rows``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Interval,
    String,
    any_,
    bindparam,
    func,
    lateral,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql import Select

from storage.json_rows import each, id_array, id_rows, json_rows
from storage.mapping import (
    chat_columns,
    is_member,
    looked_up,
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
_member_rows = id_rows("member_chat_ids", "member_ids")
MEMBERS: Final = Query(
    each(
        _member_rows,
        select(
            members.c.chat_id,
            members.c.user_id,
            members.c.role,
            members.c.read_seq,
            members.c.read_message_id,
            members.c.joined_at,
        ).where(
            members.c.chat_id == _member_rows.c.member_chat_ids,
            members.c.user_id == _member_rows.c.member_ids,
        ),
    )
)
# The chats first: whoever is added to a crowd must not read it.
_whole_chats = (
    select(chats.c.id)
    .where(
        chats.c.id == any_(id_array("chat_ids")),
        (chats.c.id == any_(id_array("whole_chats")))
        | (chats.c.type == literal_column("'private'")),
    )
    .offset(literal_column("0"))
    .subquery("whole")
)
_everybody = lateral(
    select(members)
    .where(members.c.chat_id == _whole_chats.c.id)
    .offset(literal_column("0"))
    .correlate(_whole_chats)
).alias("everybody")
_person = looked_up(users, by=_everybody.c.user_id, name="person")
ALL_MEMBERS: Final = Query(
    select(_everybody.c.chat_id, *member_columns(_everybody, _person)).select_from(
        _whole_chats.join(_everybody, true()).join(_person, true())
    )
)
_message_rows = json_rows("message_rows", message_id=BigInteger)
MESSAGES: Final = Query(
    each(_message_rows, _messages().where(messages.c.id == _message_rows.c.message_id))
)
_key_rows = json_rows("client_keys", sender_id=BigInteger, client_msg_id=String)
SENT: Final = Query(
    each(
        _key_rows,
        _messages().where(
            messages.c.sender_id == _key_rows.c.sender_id,
            messages.c.client_msg_id == _key_rows.c.client_msg_id,
        ),
    )
)
_source_rows = json_rows("sources", message_id=BigInteger, user_id=BigInteger)
READABLE: Final = Query(
    each(
        _source_rows,
        select(messages.c.id, _source_rows.c.user_id).where(
            messages.c.id == _source_rows.c.message_id,
            is_member(messages.c.chat_id, _source_rows.c.user_id),
            select(chats.c.is_active).where(chats.c.id == messages.c.chat_id).scalar_subquery(),
        ),
    )
)
USERS: Final = Query(select(*user_columns()).where(users.c.id == any_(id_array("user_ids"))))
_media_rows = json_rows("media_ids", media_id=String)
MEDIA: Final = Query(
    each(_media_rows, select(*media_columns()).where(media.c.id == _media_rows.c.media_id))
)
_newest_rows = json_rows("read_chats", chat_id=BigInteger)
NEWEST: Final = Query(
    each(
        _newest_rows,
        select(messages.c.chat_id, messages.c.id, messages.c.seq)
        .where(messages.c.chat_id == _newest_rows.c.chat_id)
        .order_by(messages.c.seq.desc()),
    )
)
_pair_rows = json_rows("pairs", low=BigInteger, high=BigInteger)
PAIRS: Final = Query(
    each(
        _pair_rows,
        select(chats.c.pair_low_id, chats.c.pair_high_id, chats.c.id).where(
            chats.c.pair_low_id == _pair_rows.c.low,
            chats.c.pair_high_id == _pair_rows.c.high,
            chats.c.is_active,
        ),
    )
)
_recent_creators = id_rows("recent_creators")
_recent = (
    select(chats.c.created_by, chats.c.id, chats.c.type, chats.c.title, chats.c.created_at)
    .where(
        chats.c.created_by == _recent_creators.c.recent_creators,
        # By index, however many they have made: so not clock_timestamp(), which changes from row
        # to row.
        chats.c.created_at >= func.statement_timestamp() - bindparam("window", type_=Interval),
        chats.c.last_seq == literal_column("1"),
        chats.c.is_active,
    )
    # A retry follows its first attempt: who makes chats by the thousand pays for no more.
    .order_by(chats.c.created_at.desc())
    .limit(literal_column("5"))
    .correlate(_recent_creators)
    .lateral("recent")
)
_of_recent = (
    select(func.array_agg(members.c.user_id).label("user_ids"))
    .where(members.c.chat_id == _recent.c.id)
    .correlate(_recent)
    .lateral("of_recent")
)
RECENT: Final = Query(
    select(
        _recent.c.created_by,
        _recent.c.id,
        _recent.c.type,
        _recent.c.title,
        _of_recent.c.user_ids,
        _recent.c.created_at,
    ).select_from(_recent_creators.join(_recent, true()).join(_of_recent, true()))
)
