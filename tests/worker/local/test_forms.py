from __future__ import annotations

import math

from server.worker.asked import Likely, Scored
from server.worker.local.forms import ChatForm, CompletionForm
from server.worker.local.pieces import Piece
from server.worker.local.scores import Placed

EURO = "€".encode()
OTHER = Likely(2, b" or", -0.25)
ONE = Placed(b" on", 3, 6, Scored(1, b" on", -1.5, (OTHER, Likely(3, b" or", -2.0))))
PART = Placed(EURO[:2], 6, 6, Scored(4, EURO[:2], -math.inf))
MARK = Placed(b"", 6, 6, Scored(5, b"", -0.5))
FIRST = Placed(b"one", 0, 3, None)


def test_a_chat_tells_each_token_with_its_bytes() -> None:
    piece = Piece("x", "stop", scores=(ONE, PART, MARK))
    told = ChatForm(logprobs=True).whole(0, piece)["logprobs"]
    assert told["refusal"] is None
    one, part = told["content"]
    assert one == {
        "token": " on",
        "bytes": [32, 111, 110],
        "logprob": -1.5,
        "top_logprobs": [
            {"token": " or", "bytes": [32, 111, 114], "logprob": -0.25},
            {"token": " or", "bytes": [32, 111, 114], "logprob": -2.0},
        ],
    }
    assert part == {
        "token": "\\xe2\\x82", "bytes": [0xE2, 0x82], "logprob": -9999.0, "top_logprobs": []
    }  # fmt: skip


def test_a_completion_tells_them_in_columns() -> None:
    piece = Piece("one on", "length", scores=(FIRST, ONE, PART, MARK))
    assert CompletionForm(logprobs=True).whole(0, piece)["logprobs"] == {
        "tokens": ["one", " on", "bytes:\\xe2\\x82", ""],
        "token_logprobs": [None, -1.5, -9999.0, -0.5],
        "top_logprobs": [
            None,
            {" or": -0.25, " on": -1.5},
            {"bytes:\\xe2\\x82": -9999.0},
            {"": -0.5},
        ],
        "text_offset": [0, 3, 6, 6],
    }


def test_what_nobody_asked_for_is_null() -> None:
    piece = Piece("x", scores=(ONE,))
    for form in (ChatForm(), CompletionForm()):
        assert form.whole(0, piece)["logprobs"] is None
        assert form.piece(0, piece)["logprobs"] is None


def test_a_thought_stands_beside_the_answer() -> None:
    form = ChatForm()
    assert form.piece(0, Piece(thought="hm"))["delta"] == {"reasoning_content": "hm"}
    assert form.whole(0, Piece("yes", "stop", "hm"))["message"] == {
        "role": "assistant",
        "content": "yes",
        "refusal": None,
        "annotations": [],
        "reasoning_content": "hm",
    }
