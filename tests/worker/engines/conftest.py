from __future__ import annotations

from tests.fakes.engines import LIBRARIES, kinds_here

collect_ignore = [f"test_{kind}.py" for kind in LIBRARIES if kind not in kinds_here()]
