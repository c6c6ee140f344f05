# Owned by the template: extend, do not edit.
"""Tags for Django's templates."""
