# Owned by the template: extend, do not edit.
"""How the server talks to the application."""

from granian.constants import Interfaces

INTERFACE = Interfaces.WSGI
# More than can wait for a password hash (`passwords.concurrent` and `passwords.waiting`), so that a
# flood of logins leaves threads for the other pages.
BLOCKING_THREADS = 16
