from __future__ import annotations

import pytest

from server.core.errors import MethodNotAllowed
from server.gateway.dialects.kept.door import only, owner_of


def test_whoever_has_no_key_is_nobody() -> None:
    assert owner_of({"state": {}}) == owner_of({"state": {"key": None}}) == ""


def test_a_path_says_which_methods_it_takes() -> None:
    only("GET", "GET", "POST")
    with pytest.raises(MethodNotAllowed, match="GET or POST only"):
        only("PUT", "GET", "POST")
