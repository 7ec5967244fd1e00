"""What clients note down beside what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.kept.metadata import read_metadata, read_new_metadata, told_metadata


@pytest.mark.parametrize("metadata", [{}, {"a": "b"}, {'"a]': "ü" * 512}])
def test_metadata_is_told_as_it_was_said(metadata: dict[str, str]) -> None:
    body = {"metadata": metadata, "model": 7}
    assert told_metadata(read_metadata(body)) == metadata
    assert told_metadata(read_new_metadata(body)) == metadata


def test_null_is_nothing_and_a_change_must_say_it() -> None:
    assert read_metadata({}) == read_metadata({"metadata": None}) == "{}"
    assert read_new_metadata({"metadata": None}) == "{}"
    with pytest.raises(BadRequest) as refused:
        read_new_metadata({})
    assert (refused.value.param, refused.value.code) == ("metadata", "missing_required_parameter")


@pytest.mark.parametrize(
    "metadata",
    [7, [], {"a": 1}, {"a": "x" * 513}, {"a" * 65: "x"}, {str(n): "" for n in range(17)}],
)
def test_what_is_none_is_refused(metadata: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        read_metadata({"metadata": metadata})
    assert (refused.value.param or "").startswith("metadata")
