"""Pages of lists."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.kept.listing import Page, page_of, query_of, read_page, told

THINGS = [{"id": name} for name in "abcde"]


def read(query: str, usual: Any = "desc") -> Page:
    return read_page(query_of({"query_string": query.encode()}), usual)


def names(page: Page) -> str:
    return "".join(thing["id"] for thing in page_of(THINGS, page)["data"])


def test_the_usual_order_is_the_lists_own() -> None:
    assert read("") == Page(None, 20, newest_first=True)
    assert read("", "asc") == Page(None, 20, newest_first=False)
    assert read("order=asc&limit=1&limit=2&after=x%20y") == Page("x y", 2, newest_first=False)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=", "limit=٣", "order=up"])
def test_what_is_no_page_is_refused_by_name(query: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(query)
    assert refused.value.param == query.partition("=")[0]


def test_a_page_says_whether_there_are_more() -> None:
    assert names(read("limit=2")) == "ed"
    assert names(read("limit=2&order=asc&after=b")) == "cd"
    assert names(read("after=a")) == ""
    assert page_of(THINGS, read("limit=4"))["has_more"] is True
    assert page_of(THINGS, read("limit=5"))["has_more"] is False
    assert told(THINGS[:2], read("limit=1")) == {
        "object": "list",
        "data": [{"id": "a"}],
        "first_id": "a",
        "last_id": "a",
        "has_more": True,
    }


def test_a_page_begins_behind_something_that_is_there() -> None:
    with pytest.raises(BadRequest) as refused:
        page_of(THINGS, read("after=x"))
    assert refused.value.param == "after"


def test_a_query_has_an_end() -> None:
    with pytest.raises(BadRequest):
        read("x" * 20_000)
