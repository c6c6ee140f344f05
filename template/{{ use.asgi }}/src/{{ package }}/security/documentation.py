# Owned by the template: extend, do not edit.
"""What a framework's pages about the API need; they are there in development alone (FPR-4)."""

from __future__ import annotations

_CSP = (
    b"default-src 'none'; connect-src 'self'; worker-src blob:; script-src 'unsafe-inline'"
    b" https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net"
    b" https://fonts.googleapis.com; font-src https://fonts.gstatic.com; img-src data: https:"
)
DOCUMENTATION = (
    (b"content-security-policy", _CSP),
    (b"cross-origin-embedder-policy", b"unsafe-none"),
)
