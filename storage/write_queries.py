"""The statements that write what a batch decided. Their parameters are whole batches.

``at`` is the moment of the batch: it stamps every row that the batch made or changed. Updates also
take the ids as an array, which PostgreSQL looks up by index; see ``json_rows.each`` for why.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    SmallInteger,
    String,
    Text,
    any_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.json_rows import each, id_array, id_rows, json_rows
from storage.query import Query
from storage.tables import chats, events, members, messages

_timestamp = DateTime(timezone=True)
_flag = Boolean()
_at = bindparam("at", type_=_timestamp)

_new_chats = json_rows(
    "new_chats",
    id=BigInteger,
    type=String,
    title=String,
    description=Text,
    photo_url=Text,
    created_by=BigInteger,
    owner_id=BigInteger,
    is_active=Boolean,
    last_seq=BigInteger,
    members_count=Integer,
    live_messages=BigInteger,
    pair_low_id=BigInteger,
    pair_high_id=BigInteger,
    created_at=_timestamp,
    updated_at=_timestamp,
)
INSERT_CHATS: Final = Query(
    insert(chats).from_select(
        [column.name for column in _new_chats.c], select(*_new_chats.c), include_defaults=False
    )
)

# Positions, and 1 where the chat is listed as changed at the moment of the batch.
_grown_chats = id_rows("grown_ids", "last_seqs", "live_changes", "are_touched")
GROW_CHATS: Final = Query(
    update(chats)
    .values(
        last_seq=_grown_chats.c.last_seqs,
        live_messages=chats.c.live_messages + _grown_chats.c.live_changes,
        updated_at=case(
            (_grown_chats.c.are_touched == literal_column("1"), _at), else_=chats.c.updated_at
        ),
    )
    .where(chats.c.id == _grown_chats.c.grown_ids, chats.c.id == any_(id_array("grown_ids")))
)

_changed_chats = json_rows(
    "changed_chats",
    id=BigInteger,
    type=String,
    title=String,
    description=Text,
    photo_url=Text,
    owner_id=BigInteger,
    is_active=Boolean,
    members_count=Integer,
)
CHANGE_CHATS: Final = Query(
    update(chats)
    .values({column.name: column for column in _changed_chats.c if column.name != "id"})
    .where(chats.c.id == _changed_chats.c.id, chats.c.id == any_(id_array("changed_ids")))
)

_members = json_rows(
    "member_rows",
    chat_id=BigInteger,
    user_id=BigInteger,
    role=String,
    read_seq=BigInteger,
    read_message_id=BigInteger,
    joined_at=_timestamp,
)
_put_members = upsert(members).from_select(
    [column.name for column in _members.c], select(*_members.c), include_defaults=False
)
PUT_MEMBERS: Final = Query(
    _put_members.on_conflict_do_update(
        index_elements=[members.c.chat_id, members.c.user_id],
        set_={
            name: _put_members.excluded[name]
            for name in ("role", "read_seq", "read_message_id", "joined_at")
        },
    )
)

# Each by its place in the table, looked up first: by the people alone PostgreSQL would read all
# their chats. The rows can not move meanwhile: their chats are locked.
_gone_members = id_rows("gone_chat_ids", "gone_ids")
_gone_places = each(
    _gone_members,
    select(literal_column("members.ctid").label("place")).where(
        members.c.chat_id == _gone_members.c.gone_chat_ids,
        members.c.user_id == _gone_members.c.gone_ids,
    ),
)
DELETE_MEMBERS: Final = Query(
    delete(members).where(
        literal_column("members.ctid") == any_(func.array(_gone_places.scalar_subquery()))
    )
)

_new_messages = json_rows(
    "new_messages",
    chat_id=BigInteger,
    id=BigInteger,
    seq=BigInteger,
    sender_id=BigInteger,
    text=Text,
    message_type=String,
    reply_to_message_id=BigInteger,
    media_id=String,
    forward_from_user_id=BigInteger,
    forward_from_chat_id=BigInteger,
    client_msg_id=String,
    is_edited=_flag,
    is_deleted=_flag,
    updated_at=_timestamp,
)
INSERT_MESSAGES: Final = Query(
    insert(messages).from_select(
        [*(column.name for column in _new_messages.c), "created_at"],
        select(
            # Flags are left out where they are false.
            *(
                func.coalesce(column, false()) if column.type is _flag else column
                for column in _new_messages.c
            ),
            _at,
        ),
        include_defaults=False,
    )
)

_changed_messages = json_rows(
    "changed_messages",
    chat_id=BigInteger,
    id=BigInteger,
    text=Text,
    is_edited=Boolean,
    is_deleted=Boolean,
)
CHANGE_MESSAGES: Final = Query(
    update(messages)
    .values(
        text=_changed_messages.c.text,
        media_id=case((_changed_messages.c.is_deleted, null()), else_=messages.c.media_id),
        is_edited=_changed_messages.c.is_edited,
        is_deleted=_changed_messages.c.is_deleted,
        updated_at=_at,
    )
    .where(
        messages.c.chat_id == _changed_messages.c.chat_id,
        messages.c.id == _changed_messages.c.id,
        messages.c.id == any_(id_array("changed_ids")),
    )
)

_events = json_rows(
    "event_rows",
    chat_id=BigInteger,
    seq=BigInteger,
    type=SmallInteger,
    actor_id=BigInteger,
    message_id=BigInteger,
    data=JSONB,
)
INSERT_EVENTS: Final = Query(
    insert(events).from_select(
        [*(column.name for column in _events.c), "at"],
        select(*_events.c, _at),
        include_defaults=False,
    )
)
