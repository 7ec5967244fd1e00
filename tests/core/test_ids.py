"""Random names."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from server.core.ids import new_id


def test_names_are_long_and_never_the_same_in_any_thread() -> None:
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda _: new_id("req"), range(20_000)))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"req-[0-9a-f]{24}", name) for name in names)
