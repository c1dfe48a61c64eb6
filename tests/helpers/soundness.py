"""What must hold of every stored chat, whatever happened to it."""

from __future__ import annotations

from typing import Final

from storage.database import Database

# Each finds chats that break one rule.
_RULES: Final = {
    "seq is dense from 1 to last_seq": """
        SELECT c.id FROM chats c LEFT JOIN events e ON e.chat_id = c.id
        GROUP BY c.id
        HAVING count(e.seq) <> c.last_seq OR min(e.seq) <> 1 OR max(e.seq) <> c.last_seq""",
    "every message has its event": """
        SELECT m.chat_id FROM messages m
        LEFT JOIN events e ON e.chat_id = m.chat_id AND e.seq = m.seq AND e.type = 1
            AND e.message_id = m.id
        WHERE e.seq IS NULL""",
    "every sent event has its message": """
        SELECT e.chat_id FROM events e
        LEFT JOIN messages m ON m.chat_id = e.chat_id AND m.seq = e.seq AND m.id = e.message_id
        WHERE e.type = 1 AND m.id IS NULL""",
    "message ids increase with seq": """
        SELECT chat_id FROM (
            SELECT chat_id, id, lag(id) OVER (PARTITION BY chat_id ORDER BY seq) AS before
            FROM messages
        ) AS pairs WHERE id <= before""",
    "times never run back": """
        SELECT chat_id FROM (
            SELECT chat_id, at, lag(at) OVER (PARTITION BY chat_id ORDER BY seq) AS before
            FROM events
        ) AS pairs WHERE at < before""",
    "live_messages counts what is not deleted": """
        SELECT c.id FROM chats c WHERE c.live_messages <>
            (SELECT count(*) FROM messages m WHERE m.chat_id = c.id AND NOT m.is_deleted)""",
    "members_count counts members": """
        SELECT c.id FROM chats c WHERE c.members_count <>
            (SELECT count(*) FROM members m WHERE m.chat_id = c.id)""",
    "the owner is a member": """
        SELECT c.id FROM chats c WHERE NOT EXISTS (
            SELECT FROM members m
            WHERE m.chat_id = c.id AND m.user_id = c.owner_id AND m.role = 'owner')""",
    "one owner, two of a pair": """
        SELECT c.id FROM chats c WHERE
            (SELECT count(*) FROM members m WHERE m.chat_id = c.id AND m.role = 'owner')
            <> CASE WHEN c.pair_low_id IS NULL THEN 1 ELSE 2 END""",
    "a pair's chat has just the pair": """
        SELECT c.id FROM chats c WHERE c.pair_low_id IS NOT NULL AND
            (SELECT array_agg(m.user_id ORDER BY m.user_id) FROM members m WHERE m.chat_id = c.id)
            <> ARRAY[c.pair_low_id, c.pair_high_id]""",
    "cursors are inside the log": """
        SELECT m.chat_id FROM members m JOIN chats c ON c.id = m.chat_id
        WHERE m.read_seq > c.last_seq OR m.read_seq < 1""",
    "a deleted message keeps nothing": """
        SELECT chat_id FROM messages
        WHERE is_deleted AND (text IS NOT NULL OR media_id IS NOT NULL)""",
    "only the last event closes a chat": """
        SELECT c.id FROM chats c JOIN events e ON e.chat_id = c.id AND e.type = 7
        WHERE e.seq <> c.last_seq OR c.is_active""",
}


async def assert_sound(database: Database) -> None:
    """Check all chats of a database (whose log was not cut by retention)."""
    async with database.connection() as conn:
        broken = {rule: rows for rule, sql in _RULES.items() if (rows := await conn.fetch_all(sql))}
    assert broken == {}
