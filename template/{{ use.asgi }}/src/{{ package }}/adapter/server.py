# Owned by the template: extend, do not edit.
"""How the server talks to the application."""

from granian.constants import Interfaces

INTERFACE = Interfaces.ASGI
BLOCKING_THREADS = 1
