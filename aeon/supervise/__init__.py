"""The supervisor of ``aeon serve --workers N``: node processes that share listening sockets.

It serves nothing itself and holds no state of the product. It binds once, starts the embedded
PostgreSQL once, keeps the workers alive, replaces them one by one at SIGHUP, and drains all of
them at SIGTERM. If it is killed, its workers notice and drain by themselves.
"""
