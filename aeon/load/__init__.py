"""``aeon load``: puts a server under load and verifies, while it loads, what the server promised.

``conductor`` is the parent's course: it prepares people and chats over REST, starts the client
processes (``worker``), collects what they saw, lets ``verdict`` judge it and writes the report.
The verifier (``streams``, ``ledger``, ``verdict``, ``log_check``) and the measuring
(``histogram``, ``measurements``) are pure; sockets live in ``endpoint``, ``poller``,
``websocket`` and ``http``.
"""
