# Owned by the template: extend, do not edit.
"""What runs the service and looks after it; nothing else of the package imports it."""
