# Owned by the template: extend, do not edit.
"""A database engine for Django: SQLite, in a file that only the service can read."""
