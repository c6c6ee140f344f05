# Owned by the template: extend, do not edit.
"""The security policy and what enforces it. Owned by the template; imports no web framework."""
