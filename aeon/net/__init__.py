"""Sockets: the server's connections on Hypercorn's protocols, and WebSocket frame transports.

``hypercorn`` is the only module that imports Hypercorn, ``tasks`` and ``stream_buffer`` what its
protocols are given of ours, ``output`` the ordered way out of a connection, ``transport`` what
WebSocket handlers send through, ``handshake`` and ``frames`` RFC 6455, ``websocket`` one WebSocket
of the server, ``connection`` one TCP connection, ``heartbeat`` the pings, ``asgi`` the same
transport under a foreign ASGI server. ``aeon.server`` joins them.
"""
