# Owned by the template: extend, do not edit.
"""Changes of the template's own tables, in order."""
