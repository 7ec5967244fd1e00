"""Whatever is sampled where functions may be called is a text, or calls whose arguments fit."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import jsonschema
import pytest
from transformers import AutoTokenizer

from server.core.errors import BadRequest
from server.core.memory.folders import BUNDLED_FOLDER
from server.worker.asked import Calls, JsonSchema
from server.worker.batch.decoding import decoder_showing
from server.worker.call_style import PLAIN
from server.worker.calls import CallStyle, Function
from server.worker.forms.calls import MAX_CALLS
from server.worker.forms.grammar import Constraint, Grammars
from server.worker.text.calls import CallReader
from tests.worker.forms.grammars import ENDS, VOCABULARY, allowed

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 5}, "n": {"$ref": "#/$defs/n"}},
    "required": ["city", "n"],
    "$defs": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
}
FUNCTIONS = (Function("weather", "", CITY), Function("no-op"))
SCHEMAS: dict[str, dict[str, Any]] = {
    "weather": CITY,
    "no-op": {"type": "object", "maxProperties": 0},
}
STYLES = {
    "tags": PLAIN,
    "json": CallStyle('{"name": "', '", "parameters": ', "}"),
    "list": CallStyle('<|user|>[{"name": "', '", "arguments": ', "}]", '}, {"name": "'),
    "marks": CallStyle("<|user|>", "<|system|>", "", "<|user|>"),
}
MARKS = ["<|user|>", "<|system|>"]
Made = tuple[str, list[tuple[str, Any]]]


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> CallStyle:
    return STYLES[request.param]


def begin(grammars: Grammars, form: Calls) -> Constraint:
    return anyio.run(grammars.compile, form).begin()


def write(tokenizer: Any, constraint: Constraint, text: str) -> list[int]:
    """`text` in tokens that may come: what is sure to come does in no other tokens."""
    decode = decoder_showing(tokenizer, MARKS)
    taken: list[int] = []
    while text:
        fitting = [
            one for one in allowed(constraint) if (said := decode([one])) and text.startswith(said)
        ]
        assert fitting, text
        taken.append(max(fitting, key=lambda one: len(decode([one]))))
        constraint.accept(taken[-1])
        text = text.removeprefix(decode(taken[-1:]))
    return taken


def walk(tokenizer: Any, constraint: Constraint, seed: int, begun: str = "") -> str | None:
    """A random answer; None: it has no end in sight."""
    dice = random.Random(seed)
    taken = write(tokenizer, constraint, begun)
    while not constraint.is_done:
        possible = allowed(constraint)
        ends = [token for token in possible if token in ENDS]
        if ends and dice.random() < 0.5:
            break
        taken.append(dice.choice([token for token in possible if token not in ENDS]))
        constraint.accept(taken[-1])
        if len(taken) > 300:
            return None
    return decoder_showing(tokenizer, MARKS)(taken)


def read(style: CallStyle, answer: str) -> Made:
    reader = CallReader(style)
    made: list[list[str]] = []
    text = ""
    for told in (reader.feed(answer), reader.flush()):
        text += told.text
        for part in told.calls:
            if part.name is not None:
                made.append([part.name, ""])
            made[-1][1] += part.arguments
    return text, [(name, json.loads(arguments)) for name, arguments in made]


def fit(calls: list[tuple[str, Any]]) -> None:
    for name, arguments in calls:
        jsonschema.validate(arguments, SCHEMAS[name], cls=jsonschema.Draft202012Validator)
        assert arguments.keys() <= {"city", "n"}


@pytest.mark.parametrize("seed", range(6))
def test_calls_that_are_demanded_come_and_fit(
    tokenizer: Any, grammars: Grammars, quick: None, style: CallStyle, seed: int
) -> None:
    answer = walk(tokenizer, begin(grammars, Calls(FUNCTIONS, style, demanded=True)), seed)
    assert answer is not None
    text, calls = read(style, answer)
    assert text == "" and calls
    fit(calls)


@pytest.mark.parametrize("seed", range(6))
def test_calls_that_are_begun_fit(
    tokenizer: Any, grammars: Grammars, quick: None, style: CallStyle, seed: int
) -> None:
    said = "Sure. " if style.trigger else ""
    constraint = begin(grammars, Calls(FUNCTIONS, style))
    answer = walk(tokenizer, constraint, seed, said + style.begin)
    assert answer is not None
    text, calls = read(style, answer)
    assert text == said.strip() and calls
    fit(calls)


@pytest.mark.parametrize("seed", range(6))
def test_or_it_is_a_text(
    tokenizer: Any, grammars: Grammars, quick: None, style: CallStyle, seed: int
) -> None:
    answer = walk(tokenizer, begin(grammars, Calls(FUNCTIONS, style)), seed, "Hello")
    if answer is not None:
        fit(read(style, answer)[1])
        assert answer.startswith("Hello")


def test_one_call_is_the_last_where_only_one_may_be_made(
    tokenizer: Any, grammars: Grammars, quick: None, style: CallStyle
) -> None:
    one = Calls((Function("f"),), style, demanded=True, many=False)
    constraint = begin(grammars, one)
    write(tokenizer, constraint, f"{style.begin}f{style.middle}{{}}{style.end}")
    assert constraint.is_done


def test_calls_come_to_an_end(tokenizer: Any, grammars: Grammars, quick: None) -> None:
    constraint = begin(grammars, Calls((Function("f"),), PLAIN, demanded=True))
    middle = (PLAIN.between or "").join([f"f{PLAIN.middle}{{}}"] * MAX_CALLS)
    write(tokenizer, constraint, f"{PLAIN.begin}{middle}{PLAIN.end}")
    assert constraint.is_done


def test_a_text_may_have_to_have_a_form(
    tokenizer: Any, grammars: Grammars, quick: None, style: CallStyle
) -> None:
    form = Calls(FUNCTIONS, style, text=JsonSchema({"type": "boolean"}))
    assert walk(tokenizer, begin(grammars, form), 1, "tr") == "true"
    write(tokenizer, begin(grammars, form), f"{style.begin}no-op{style.middle}{{}}{style.end}")
    with pytest.raises(AssertionError):
        write(tokenizer, begin(grammars, form), "Hello")


def test_arguments_beyond_those_that_are_named_need_a_word_of_the_schema(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    head = f"{PLAIN.begin}f{PLAIN.middle}"
    cases: list[tuple[dict[str, Any], bool]] = [({}, False), ({"additionalProperties": True}, True),
                            ({"anyOf": [{"required": ["x"]}, {}]}, True)]  # fmt: skip
    for parameters, may in cases:
        form = Calls((Function("f", "", parameters),), PLAIN, demanded=True)
        constraint = begin(grammars, form)
        try:
            write(tokenizer, constraint, f'{head}{{"x": 1')
            was_let = True
        except AssertionError:
            was_let = False
        assert was_let is may, parameters


def test_a_mark_that_is_one_token_comes_as_one(quick: None) -> None:
    """Also where the tokenizer does not call it special, as with many models' `<tool_call>`."""
    words: Any = AutoTokenizer.from_pretrained(BUNDLED_FOLDER / "shortline-mini")
    words.add_tokens(["<tool_call>", "</tool_call>"])
    mark, end = words.convert_tokens_to_ids(["<tool_call>", "</tool_call>"])
    grammars = Grammars(words, VOCABULARY, ENDS)
    assert allowed(begin(grammars, Calls(FUNCTIONS, PLAIN, demanded=True))) == [mark]
    constraint = begin(grammars, Calls(FUNCTIONS, PLAIN))
    assert {mark, end} <= {*allowed(constraint)}, "a text may have marks in it"
    constraint.accept(mark)
    assert end not in allowed(constraint)


async def test_the_function_at_fault_is_named(grammars: Grammars, quick: None) -> None:
    bad = Function("g", "", {"properties": {"x": {"type": "nope"}}}, param="tools[1].function")
    with pytest.raises(BadRequest) as caught:
        await grammars.compile(Calls((*FUNCTIONS[:1], bad), PLAIN))
    assert caught.value.param == "tools[1].function.parameters"
    assert "nope" in caught.value.message


async def test_what_a_grammar_cannot_say_is_refused_of_strict_functions_only(
    grammars: Grammars, quick: None
) -> None:
    odd = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    await grammars.compile(Calls((Function("f", "", odd),), PLAIN))
    with pytest.raises(BadRequest):
        await grammars.compile(Calls((Function("f", "", odd, strict=True),), PLAIN))
