"""Names for things."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from socket import gethostname

from server.core.ids import name_here, new_id


def test_names_are_long_and_never_the_same_in_any_thread() -> None:
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda _: new_id("req"), range(20_000)))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"req-[0-9a-f]{24}", name) for name in names)


def test_a_process_has_the_same_name_at_each_start_and_none_of_another_machine() -> None:
    assert name_here("openai_api#2") == f"openai_api#2@{gethostname()}"
