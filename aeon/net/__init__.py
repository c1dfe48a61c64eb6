"""Sockets: the server's connections on Hypercorn's protocols, and WebSocket frame transports.

``hypercorn`` holds everything that reaches into Hypercorn, ``output`` the ordered way out of a
connection, ``transport`` what WebSocket handlers send through, ``frames`` RFC 6455's framing,
``websocket`` one WebSocket of the server, ``connection`` one TCP connection, ``heartbeat`` the
pings, ``asgi`` the same transport under a foreign ASGI server. ``aeon.server`` joins them.
"""
