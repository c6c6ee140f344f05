# Owned by the template: extend, do not edit.
"""Owned by the template: the only code that knows both the framework and `security`."""
