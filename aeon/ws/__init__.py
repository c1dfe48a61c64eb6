"""The realtime protocol over WebSocket: connect, command, ack, resume, close."""

from aeon.ws.endpoint import register

__all__ = ["register"]
