# Owned by the template: extend, do not edit.
"""Run the command line by `python -m`, where the console script is not on the path."""

import sys

from .operate.cli import main

sys.exit(main())
