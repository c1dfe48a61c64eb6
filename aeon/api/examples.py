"""Examples for the API description; a test holds them against the models."""

from __future__ import annotations

from typing import Final

PERSON: Final = {
    "id": 279058397,
    "telegram_id": 279058397,
    "username": "anna",
    "first_name": "Anna",
    "last_name": None,
    "profile_photo_url": None,
}
ACCOUNT: Final = {
    **PERSON,
    "language_code": "en",
    "is_premium": False,
    "is_admin": False,
    "bio": None,
    "created_at": "2026-11-23T09:00:00.000000Z",
    "updated_at": None,
    "is_active": True,
    "subordinates": [],
    "managers": [],
}
CHAT: Final = {
    "id": 12,
    "title": "Team",
    "chat_type": "group",
    "description": None,
    "photo_url": None,
    "created_by": 279058397,
    "is_active": True,
    "created_at": "2026-11-23T09:00:00.000000Z",
    "updated_at": None,
    "last_seq": 1,
    "members_count": 1,
    "members": [
        {
            **PERSON,
            "is_admin": True,
            "role": "owner",
            "joined_at": "2026-11-23T09:00:00.000000Z",
            "read_seq": 1,
            "read_message_id": None,
        }
    ],
}
CHAT_LIST: Final = [
    {
        "id": 12,
        "title": "Team",
        "chat_type": "group",
        "photo_url": None,
        "last_message": "Hello",
        "last_message_time": "2026-11-23T09:00:01.000000Z",
        "unread_count": 1,
        "read_seq": 1,
        "last_seq": 2,
        "members_count": 2,
        "role": "owner",
    }
]
MESSAGE: Final = {
    "id": 341,
    "chat_id": 12,
    "seq": 2,
    "sender_id": 279058397,
    "sender": PERSON,
    "text": "Hello",
    "message_type": "text",
    "reply_to_message_id": None,
    "media_id": None,
    "media_url": None,
    "media_type": None,
    "media_size": None,
    "media_duration": None,
    "width": None,
    "height": None,
    "filename": None,
    "thumbnail_url": None,
    "waveform": None,
    "forward_from_user_id": None,
    "forward_from_chat_id": None,
    "client_msg_id": "5f0c2d9e-7f57-4e0a-9b1e-0b7a3f6f3c11",
    "is_edited": False,
    "is_deleted": False,
    "read_by": [],
    "created_at": "2026-11-23T09:00:01.000000Z",
    "updated_at": None,
}
MESSAGE_PAGE: Final = {
    "messages": [MESSAGE],
    "total": 1,
    "page": 1,
    "per_page": 50,
    "has_next": False,
    "has_prev": False,
}
READ: Final = {
    "message": "Marked 3 messages as read",
    "chat_id": 12,
    "seq": 9,
    "unread_count": 0,
    "newly_read": 3,
}
EVENTS: Final = {
    "events": [
        {
            "type": "message_deleted",
            "chat_id": 12,
            "seq": 3,
            "message_id": 341,
            "deleted_by": 279058397,
        }
    ],
    "last_seq": 3,
    "read_seq": 2,
    "has_more": False,
}
TOKEN: Final = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "token_type": "bearer",
    "expires_in": 3600,
    "session_id": "kJ2mXw0aTq7bVn4cRz8d",
}
SESSION: Final = {
    "id": "kJ2mXw0aTq7bVn4cRz8d",
    "device": "Phone",
    "created_at": "2026-11-23T09:00:00.000000Z",
    "expires_at": "2026-11-23T10:00:00.000000Z",
    "last_used_at": None,
    "is_current": True,
}
SEND: Final = {
    "chat_id": 12,
    "text": "Hello",
    "client_msg_id": "5f0c2d9e-7f57-4e0a-9b1e-0b7a3f6f3c11",
}
