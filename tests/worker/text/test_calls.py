from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.call_style import PLAIN
from server.worker.calls import CallStyle
from server.worker.text.calls import CallPart, CallReader

LLAMA = CallStyle('{"name": "', '", "parameters": ', "}")
LIST = CallStyle('[TOOL_CALLS][{"name": "', '", "arguments": ', "}]", '}, {"name": "')
MARKS = CallStyle("[TOOL_CALLS]", "[ARGS]", "", "[TOOL_CALLS]")
STYLES = [PLAIN, LLAMA, LIST, MARKS]

Made = list[tuple[str, str]]


def read(style: CallStyle, *pieces: str) -> tuple[str, Made]:
    reader = CallReader(style)
    text = ""
    calls: list[CallPart] = []
    for told in (*map(reader.feed, pieces), reader.flush()):
        text += told.text
        calls += told.calls
    return text, joined(calls)


def joined(parts: list[CallPart]) -> Made:
    made: Made = []
    for part in parts:
        if part.name is not None:
            assert part.number == len(made)
            made.append((part.name, ""))
        name, arguments = made[part.number]
        made[part.number] = (name, arguments + part.arguments)
    return made


def written(style: CallStyle, *calls: tuple[str, str]) -> str:
    middle = (style.between or "").join(
        f"{name}{style.middle}{arguments}" for name, arguments in calls
    )
    return f"{style.begin}{middle}{style.end}"


ARGUMENTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 99) | st.text('"\\{}[]<>/ctoa \n', max_size=8),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=4,
    ),
    max_size=3,
)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in pieces."""
    places = draw(st.lists(st.integers(0, len(text)), max_size=12).map(sorted))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.data(), st.sampled_from(STYLES), st.lists(ARGUMENTS, min_size=1, max_size=3))
def test_calls_come_out_however_they_are_cut(
    data: st.DataObject, style: CallStyle, arguments: list[dict[str, Any]]
) -> None:
    ascii_only = data.draw(st.booleans())
    calls = [
        (f"f_{at}", json.dumps(one, ensure_ascii=ascii_only)) for at, one in enumerate(arguments)
    ]
    if style.between is None:
        calls = calls[:1]
    before = data.draw(st.sampled_from(["", "Sure."])) if style.trigger else ""
    text = before + data.draw(st.sampled_from(["", "\n"])) + written(style, *calls)
    assert read(style, *data.draw(cut(text))) == (before, calls)


@given(st.data(), st.sampled_from(STYLES))
def test_a_text_is_left_as_it_is(data: st.DataObject, style: CallStyle) -> None:
    text = data.draw(st.text('<tool_call>{"name [TOOL_CALLS]\n', max_size=60))
    if style.begin.strip() in text or (text.lstrip().startswith("{") and style is LLAMA):
        return
    told, calls = read(style, *data.draw(cut(text)))
    assert (told, calls) == (text, [])


@pytest.mark.parametrize("style", STYLES)
def test_spaces_may_be_elsewhere(style: CallStyle) -> None:
    squeezed = written(style, ("f", '{"a":1}')).replace(" ", "").replace("\n", "")
    assert read(style, squeezed) == ("", [("f", '{"a":1}')])


def test_two_blocks_are_two_calls() -> None:
    text = written(PLAIN, ("f", "{}")) + "\n\n" + written(PLAIN, ("g", '{"x":[]}')) + "\nDone."
    assert read(PLAIN, *text) == ("Done.", [("f", "{}"), ("g", '{"x":[]}')])


def test_arguments_come_as_they_are_written() -> None:
    reader = CallReader(PLAIN)
    assert reader.feed('<tool_call>\n{"name": "f", "arguments": {"a') == (
        "", (CallPart(0, "f", ""), CallPart(0, None, '{"a'))
    )  # fmt: skip
    assert reader.feed('": "}') == ("", (CallPart(0, None, '": "}'),))
    assert reader.feed('"}}\n</tool') == ("", (CallPart(0, None, '"}'),))
    assert reader.flush() == ("", ())
    assert reader.called


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("<tool_call>", []),
        ('<tool_call>\n{"name": "f", "argu', []),
        ("a <tool_call>?</tool_call> b", []),
        ("<tool_call>" * 5 + "{", []),
        ('<tool_call>\n{"name": "' + "x" * 2000 + '"', []),
    ],
)
def test_what_is_no_call_is_text(text: str, calls: Made) -> None:
    assert read(PLAIN, text) == (text, calls)
    assert read(PLAIN, *text) == (text, calls)


@pytest.mark.parametrize(
    ("text", "told", "calls"),
    [
        ('Well.<tool_call>\n{"name": "f', "Well.", []),
        (written(PLAIN, ("f", "{}")) + "\n<tool", "", [("f", "{}")]),
        (written(PLAIN, ("f", "{}")) + "\nDo", "Do", [("f", "{}")]),
        ("a <", "a <", []),
    ],
)
def test_of_a_call_without_room_for_its_arguments_nothing_is_told(
    text: str, told: str, calls: Made
) -> None:
    reader = CallReader(PLAIN)
    parts = [*(reader.feed(one) for one in text), reader.flush(cut=True)]
    assert "".join(part.text for part in parts) == told
    assert joined([call for part in parts for call in part.calls]) == calls


def test_a_call_that_is_cut_off_is_told_as_far_as_it_came() -> None:
    text = 'Well. <tool_call>\n{"name": "f", "arguments": {"a": "b'
    assert read(PLAIN, *text) == ("Well.", [("f", '{"a": "b')])


def test_a_call_of_which_only_the_beginning_came_is_not_told() -> None:
    whole = written(PLAIN, ("f", "{}")) + "\n" + written(PLAIN, ("g", "{}"))
    for length in range(len(written(PLAIN, ("f", "{}"))), whole.index("{}", 50)):
        reader = CallReader(PLAIN)
        told = [reader.feed(whole[:length]), reader.flush(cut=True)]
        assert "{" not in "".join(one.text for one in told), length
        assert joined([part for one in told for part in one.calls])[0] == ("f", "{}")


def test_what_follows_a_broken_end_is_text() -> None:
    text = '<tool_call>{"name": "f", "arguments": {}, "id": 5}'
    assert read(PLAIN, *text) == (', "id": 5}', [("f", "{}")])


def test_without_a_mark_only_the_whole_answer_is_a_call() -> None:
    said = 'The JSON is {"name": "f", "parameters": {}}'
    assert read(LLAMA, *said) == (said, [])
    assert read(LLAMA, *'\n{"name": "f", "parameters": {}}') == ("", [("f", "{}")])
    other = '{"answer": 5}'
    assert read(LLAMA, *other) == (other, [])
