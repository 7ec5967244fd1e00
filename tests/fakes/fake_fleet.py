"""A launcher whose children are fakes: `python -m tests.fakes.fake_fleet HOME`.

Its workers are those of `brief_child`; the servers are those of `child`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.plan import MODULES, WORKERS
from server.launcher.start import start
from server.launcher.wanted import Wanted

FAKES = {
    role: "tests.fakes.brief_child" if role in WORKERS else "tests.fakes.child" for role in MODULES
}


def main() -> None:
    home = Home(Path(sys.argv[1]))
    wanted = Wanted(gateway=True, local=True, app=True)
    code = start(
        home,
        wanted,
        quiet=True,
        environ=dict(os.environ),
        installation=Installation(),
        modules=FAKES,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
