"""The security policy and what enforces it. Owned by the template; imports no web framework."""
