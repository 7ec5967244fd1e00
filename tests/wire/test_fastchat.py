from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.fastchat import PieceSplitter, piece


def test_a_piece_ends_in_nul() -> None:
    assert piece({"text": "你好"}) == '{"text":"你好"}\0'.encode()


@given(st.lists(st.binary(max_size=8)), st.binary(max_size=4))
def test_whole_pieces_pass_unchanged_however_they_are_cut(chunks: list[bytes], tail: bytes) -> None:
    splitter = PieceSplitter()
    chunks = [*chunks, tail]
    passed = b"".join(splitter.feed(chunk) for chunk in chunks)
    assert passed + splitter.rest() == b"".join(chunks)
    assert b"\0" not in splitter.rest()
    assert not passed or passed.endswith(b"\0")


def test_a_piece_without_end_is_refused() -> None:
    splitter = PieceSplitter(max_bytes=10)
    with pytest.raises(ValueError, match="longer than 10"):
        splitter.feed(b"x" * 11)
