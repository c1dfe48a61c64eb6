"""The edge: HTTP, WebSocket, JSON, tokens, the command line."""
