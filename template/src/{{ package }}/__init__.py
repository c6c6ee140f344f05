"""A web service in three layers: app uses adapter, which uses security; never backwards.

`operate` runs it and looks after it: it uses all of them, and none of them uses it.
"""

import sys as _sys

if _sys.platform == "win32":
    # Said here, where every command passes: else it would be a traceback about a missing module.
    raise SystemExit(
        "This service runs on Linux and macOS: its server forks, and it locks files as they do."
        " On Windows work in WSL: https://learn.microsoft.com/windows/wsl/install"
    )
