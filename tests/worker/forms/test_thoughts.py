"""Whatever is sampled behind a thought has its form, and the thought has none."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import jsonschema
import pytest

from server.core.errors import BadRequest
from server.worker.asked import AfterThought, Calls, Form, JsonObject, JsonSchema
from server.worker.batch.decoding import decoder_showing
from server.worker.call_style import PLAIN
from server.worker.calls import CallStyle, Function
from server.worker.forms.grammar import Constraint, Grammars
from server.worker.text.calls import CallReader
from server.worker.text.thinking import Marks, Thoughts
from tests.worker.forms.grammars import ENDS, allowed

SHOWN = ["<|user|>", "<|system|>"]
MARKS = {"as text": Marks("<think>", "</think>"), "special": Marks("<|user|>", "<|system|>")}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 4}, "n": {"enum": [1, 2]}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
FUNCTIONS = (Function("weather", "", SCHEMA),)
FORMS: dict[str, JsonObject | JsonSchema | Calls] = {
    "schema": JsonSchema(SCHEMA),
    "demanded": Calls(FUNCTIONS, PLAIN, demanded=True),
    "demanded, in JSON": Calls(
        FUNCTIONS, CallStyle('{"name": "', '", "parameters": ', "}"), demanded=True
    ),
    "a text or calls": Calls(FUNCTIONS, PLAIN),
    "JSON or calls": Calls(FUNCTIONS, PLAIN, text=JsonSchema(SCHEMA)),
}
THOUGHT = 'hm {"city": 3} <tool_call> </thi'


@pytest.fixture(params=MARKS)
def marks(request: pytest.FixtureRequest) -> Marks:
    return MARKS[request.param]


def begin(grammars: Grammars, form: Form) -> Constraint:
    return anyio.run(grammars.compile, form).begin()


def write(tokenizer: Any, constraint: Constraint, text: str) -> None:
    decode = decoder_showing(tokenizer, SHOWN)
    while text:
        fitting = [
            one for one in allowed(constraint) if (said := decode([one])) and text.startswith(said)
        ]
        assert fitting, text
        token = max(fitting, key=lambda one: len(decode([one])))
        constraint.accept(token)
        text = text.removeprefix(decode([token]))


def lets(tokenizer: Any, constraint: Constraint, text: str) -> bool:
    try:
        write(tokenizer, constraint, text)
    except AssertionError:
        return False
    return constraint.may_end


def walk(tokenizer: Any, constraint: Constraint, seed: int) -> str:
    """A random text from here to the end."""
    dice = random.Random(seed)
    taken: list[int] = []
    while not constraint.is_done and len(taken) < 400:
        possible = allowed(constraint)
        if ENDS[0] in possible and dice.random() < 0.3:
            break
        taken.append(dice.choice([token for token in possible if token not in ENDS]))
        constraint.accept(taken[-1])
    return decoder_showing(tokenizer, SHOWN)(taken)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("name", FORMS)
def test_what_follows_the_thought_has_its_form(
    tokenizer: Any, grammars: Grammars, quick: None, marks: Marks, name: str, begun: bool
) -> None:
    form = FORMS[name]
    for seed in range(3):
        constraint = begin(grammars, AfterThought(form, marks, begun))
        front = f"{'' if begun else marks.begin}\n{THOUGHT}{marks.end}\n\n"
        write(tokenizer, constraint, front)
        told = Thoughts(marks, inside=begun).feed(front + walk(tokenizer, constraint, seed))
        assert told.thought == THOUGHT
        fits(form, told.answer)


def fits(form: JsonObject | JsonSchema | Calls, answer: str) -> None:
    if isinstance(form, JsonSchema):
        jsonschema.validate(json.loads(answer), SCHEMA)
    elif isinstance(form, Calls):
        reader = CallReader(form.style)
        (text, calls), rest = reader.feed(answer), reader.flush()
        if form.demanded:
            assert calls and not (text + rest.text).strip()
        if calls:
            arguments = "".join(part.arguments for part in calls if part.number == 0)
            jsonschema.validate(json.loads(arguments), SCHEMA)
        elif form.text is not None:
            jsonschema.validate(json.loads(answer), SCHEMA)


def test_no_end_may_come_in_a_thought(
    tokenizer: Any, grammars: Grammars, quick: None, marks: Marks
) -> None:
    constraint = begin(grammars, AfterThought(JsonObject(), marks, begun=True))
    for text in ("", "so ", '{"a": 1}'):
        write(tokenizer, constraint, text)
        assert not set(ENDS) & set(allowed(constraint))
    assert lets(tokenizer, constraint, f"{marks.end}{{}}")


def test_who_need_not_think_may_answer_at_once(
    tokenizer: Any, grammars: Grammars, quick: None, marks: Marks
) -> None:
    form = AfterThought(FORMS["schema"], marks, begun=False)
    for text, good in (
        ('{"city": "a", "n": 1}', True),
        (f'{marks.begin}{marks.end}{{"city": "a", "n": 1}}', True),
        ("hm", False),
        (f'{marks.begin}hm{marks.end}{{"city": "a", "n": 3}}', False),
    ):
        assert lets(tokenizer, begin(grammars, form), text) is good, text


def test_a_call_in_a_thought_is_none(
    tokenizer: Any, grammars: Grammars, quick: None, marks: Marks
) -> None:
    """It is held to nothing there, and to its form behind the thought or without one."""
    form = AfterThought(FORMS["a text or calls"], marks, begun=False)
    for text, good in (
        (f"{marks.begin}<tool_call> x{marks.end}hello", True),
        (f"{marks.begin}a{marks.end}<tool_call> x", False),
        ("hello <tool_call> x", False),
        ("hello <think>", True),
    ):
        assert lets(tokenizer, begin(grammars, form), text) is good, text


async def test_a_schema_at_fault_is_named_as_ever(grammars: Grammars, quick: None) -> None:
    bad = {"type": "nope"}
    forms: list[JsonSchema | Calls] = [
        JsonSchema(bad),
        Calls((Function("f", "", {"properties": {"x": bad}}, param="tools[0].function"),), PLAIN),
    ]
    params = ["response_format.json_schema.schema", "tools[0].function.parameters"]
    for form, param in zip(forms, params, strict=True):
        with pytest.raises(BadRequest) as caught:
            await grammars.compile(AfterThought(form, MARKS["as text"], begun=True))
        assert caught.value.param == param
        assert "nope" in caught.value.message


async def test_a_thought_passes_the_trial_of_its_own_process(grammars: Grammars) -> None:
    for marks in MARKS.values():
        await grammars.compile(AfterThought(JsonSchema(SCHEMA), marks, begun=True))


def test_marks_may_be_anything(tokenizer: Any, grammars: Grammars, quick: None) -> None:
    marks = Marks(r"[/(a|b)*\"<", '"/>.*\\d"')
    for form in (FORMS["schema"], FORMS["a text or calls"]):
        constraint = begin(grammars, AfterThought(form, marks, begun=False))
        good = '{"city": "a", "n": 1}'
        assert lets(tokenizer, constraint, f"{marks.begin} hm {marks.end}{good}")
