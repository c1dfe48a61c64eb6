"""Chats and users as supervised Trio actors."""
