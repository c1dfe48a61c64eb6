"""What a person can do, one function each: REST and WebSocket meet here.

A use case takes ``(services, principal, ...)``, asks the chat's actor for every change, reads
from storage for everything else, and returns records. It knows no JSON and no transport. What
fails is raised as it is; ``aeon.errors`` says what the client is told.
"""
