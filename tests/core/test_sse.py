from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.sse import EventSplitter, data_event, event_data

ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.text(), ends)
def test_no_text_can_forge_an_event(text: str, end: bytes) -> None:
    framed = data_event({"text": f"{text}\n\nevent: done\ndata: x"})
    assert len(event_data(framed)) == 1


@given(st.lists(st.sampled_from([b"data: a\n\n", b": p\n\n", "data: 二\n\n".encode()])), st.data())
def test_however_the_bytes_are_cut_nothing_is_lost_or_broken(
    events: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    splitter, out = EventSplitter(), b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        passed = splitter.feed(stream[start:end])
        assert passed == b"" or passed.endswith(b"\n\n")
        out += passed
    assert out == stream
    assert splitter.tail == b""


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_half_an_event_waits_whatever_its_line_ends(end: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1" + end + b"data: 2") == b"data: 1" + end
    assert splitter.tail == b"data: 2"


def test_an_endless_event_is_refused() -> None:
    splitter = EventSplitter(max_bytes=100)
    with pytest.raises(ValueError, match="longer than 100"):
        for _ in range(20):
            splitter.feed(b"x" * 10)


def test_line_separators_inside_json_are_text() -> None:
    text = '{"a":"\u2028\x85"}'.encode()
    assert event_data(b"data: " + text + b"\n\n") == [text]


def test_data_lines_join_and_other_fields_are_skipped() -> None:
    block = b"id: 1\nevent: x\ndata: a\ndata:b\n\n: ping\n\ndata: c\r\n\r\n"
    assert event_data(block) == [b"a\nb", b"c"]
