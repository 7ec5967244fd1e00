"""What one answer may say next, and that no schema can hurt the worker."""

from __future__ import annotations

import json
import random
from typing import Any, Literal

import anyio
import pytest
import torch

from server.core.errors import BadRequest, Internal, Overloaded, Unavailable
from server.worker.asked import JsonObject, JsonSchema
from server.worker.forms import grammar, known, trial
from server.worker.forms.grammar import Constraint, Grammars
from tests.worker.forms.grammars import ENDS, NEW_LIBRARY, VOCABULARY, allowed

PARAM = "response_format.json_schema.schema"
DEEP: dict[str, Any] = {}
for _ in range(20_000):
    DEEP = {"items": DEEP}


def feed(tokenizer: Any, constraint: Constraint, text: str) -> None:
    for token in tokenizer.encode(text):
        assert token in allowed(constraint), text
        constraint.accept(token)


# -- one answer among others


async def test_two_answers_go_their_own_ways_through_one_grammar(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    grammar = await grammars.compile(JsonSchema({"enum": ["ab", "cd"]}))
    one, other = grammar.begin(), grammar.begin()
    feed(tokenizer, one, '"ab"')
    feed(tokenizer, other, '"cd')
    assert (one.is_done, other.is_done) == (True, False)
    rows = torch.zeros(2, VOCABULARY)
    masked = torch.stack([one.mask(rows[0]), other.mask(rows[1])])
    assert torch.isfinite(masked[0]).nonzero().flatten().tolist() == list(ENDS)
    assert tokenizer.convert_tokens_to_ids('"') in torch.isfinite(masked[1]).nonzero().flatten()
    assert bool((rows == 0).all()), "the scores are left as they are"


async def test_a_number_may_end_before_it_is_done(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = (await grammars.compile(JsonSchema({"type": "integer"}))).begin()
    assert not constraint.may_end
    feed(tokenizer, constraint, "12")
    assert (constraint.may_end, constraint.is_done) == (True, False)
    assert set(ENDS) < set(allowed(constraint))


async def test_no_mark_of_the_model_is_part_of_a_text(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = (await grammars.compile(JsonSchema({"type": "string"}))).begin()
    feed(tokenizer, constraint, '"it')
    possible = set(allowed(constraint))
    assert possible.isdisjoint(tokenizer.all_special_ids)
    assert max(possible) < len(tokenizer) < VOCABULARY


async def test_scores_may_be_fewer_than_tokens(grammars: Grammars, quick: None) -> None:
    constraint = (await grammars.compile(JsonSchema({"type": "string"}))).begin()
    assert max(allowed(constraint, length=1001)) <= 1000


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[1,2],"b":{}}',
        '{"a": [1, 2], "b": {}}',
        pytest.param('{\n    "a": [\n        1\n    ]\n}', marks=NEW_LIBRARY),
        pytest.param('{\n\t"a": 1\n}', marks=NEW_LIBRARY),
    ],
)
async def test_json_may_be_spaced_as_people_space_it(
    tokenizer: Any, grammars: Grammars, quick: None, text: str
) -> None:
    constraint = (await grammars.compile(JsonObject())).begin()
    feed(tokenizer, constraint, text)
    assert constraint.is_done


@pytest.mark.parametrize("text", ["{  ", "{\n\n", "{\n" + 25 * " "])
async def test_white_space_has_an_end(
    tokenizer: Any, grammars: Grammars, quick: None, text: str
) -> None:
    constraint = (await grammars.compile(JsonObject())).begin()
    with pytest.raises(Internal):
        for char in text:
            allowed(constraint)
            constraint.accept(tokenizer.encode(char)[0])


async def test_a_token_that_may_not_come_is_not_taken(grammars: Grammars, quick: None) -> None:
    constraint = (await grammars.compile(JsonObject())).begin()
    assert ENDS[0] not in allowed(constraint)
    with pytest.raises(Internal):
        constraint.accept(ENDS[0])


async def test_an_answer_that_takes_too_long_to_follow_ends(
    grammars: Grammars, quick: None
) -> None:
    dots = {"type": "string", "pattern": "(.*a.{30}|.*b.{29}|.*c.{28})"}
    constraint = (await grammars.compile(JsonSchema(dots))).begin()
    dice = random.Random(1)
    with pytest.raises(BadRequest, match="takes too long to follow") as refused:
        for _ in range(1000):
            constraint.accept(dice.choice(allowed(constraint)))
    assert refused.value.param == PARAM


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
async def test_the_scores_of_what_may_come_stay_what_they_are(
    grammars: Grammars, quick: None, dtype: torch.dtype
) -> None:
    constraint = (await grammars.compile(JsonObject())).begin()
    scores = torch.linspace(-9, 9, VOCABULARY, dtype=dtype)
    masked = constraint.mask(scores)
    possible = torch.isfinite(masked)
    assert masked.dtype == dtype
    assert torch.equal(masked[possible], scores[possible])
    assert bool((masked[~possible] == -torch.inf).all())


# -- schemas that are no good


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "strnig"}, "Invalid type: strnig"),
        ({"$ref": "#"}, "nothing fits it"),
        ({"const": float("nan")}, "not JSON"),
        ({"const": {1, 2}}, "not JSON"),
        (DEEP, "nested too deeply"),
        ({"description": "x" * (1 << 20)}, "1048576 bytes"),
        ([1], "A schema is a JSON object"),
        (None, "A schema is a JSON object"),
    ],
)
async def test_a_schema_that_is_no_good_is_refused_with_its_place_and_why(
    grammars: Grammars, quick: None, schema: Any, why: str
) -> None:
    with pytest.raises(BadRequest, match="schema") as refused:
        await grammars.compile(JsonSchema(schema))
    assert why in refused.value.message
    assert refused.value.param == PARAM


async def test_what_cannot_be_kept_to_counts_for_nothing_where_nobody_is_strict(
    grammars: Grammars, quick: None
) -> None:
    schema = {"type": "array", "uniqueItems": True}
    await grammars.compile(JsonSchema(schema, strict=False))
    with pytest.raises(BadRequest, match="uniqueItems"):
        await grammars.compile(JsonSchema(schema))


async def test_a_schema_has_no_say_in_what_json_is(grammars: Grammars, quick: None) -> None:
    own = {"whitespace_pattern": "x+", "item_separator": ";", "lenient": True}
    schema = {"not": {}, "x-guidance": own}
    with pytest.raises(BadRequest, match="not"):
        await grammars.compile(JsonSchema(schema))


async def test_the_place_is_the_one_the_schema_came_from(grammars: Grammars, quick: None) -> None:
    for param in ("tools[0].function.parameters", "text.format.schema"):
        with pytest.raises(BadRequest) as refused:
            await grammars.compile(JsonSchema({"type": 5}, param=param))
        assert refused.value.param == param


async def test_a_tokenizer_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        await Grammars(["a", "b"], 2, [0]).compile(JsonObject())
    assert refused.value.param == "response_format"


async def test_to_have_no_time_is_not_the_schemas_fault(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "COMPILE_S", 0.01)
    with pytest.raises(Unavailable):
        await grammars.compile(JsonSchema({"title": "in no time"}))


# -- what is remembered


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The schemas that were tried."""
    seen: list[str] = []

    async def tried(wanted: trial.Trial) -> str:
        seen.append(wanted["text"])
        await anyio.lowlevel.checkpoint()
        return trial.fault(wanted)

    monkeypatch.setattr(grammar, "_try", tried)
    return seen


@pytest.mark.parametrize("kind", ["good", "bad"])
async def test_a_schema_is_tried_once(
    tokenizer: Any, tried: list[str], kind: Literal["good", "bad"]
) -> None:
    grammars = Grammars(tokenizer, VOCABULARY, ENDS)
    for _ in range(3):
        try:
            await grammars.compile(JsonSchema({"type": "null" if kind == "good" else "bad"}))
        except BadRequest:
            assert kind == "bad"
    assert len(tried) == 1


async def test_the_order_of_properties_and_strictness_make_another_schema(
    tokenizer: Any, tried: list[str]
) -> None:
    grammars = Grammars(tokenizer, VOCABULARY, ENDS)
    for order in ("ab", "ba"):
        for strict in (True, False):
            schema = {"type": "object", "properties": {name: {} for name in order}}
            await grammars.compile(JsonSchema(schema, strict=strict))
    assert len(tried) == 4


async def test_old_and_large_schemas_are_forgotten(
    tokenizer: Any, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_MOST_KNOWN", 2)
    monkeypatch.setattr(known, "_MOST_KNOWN_BYTES", 200)
    grammars = Grammars(tokenizer, VOCABULARY, ENDS)
    for title in ("a", "b", "a", "c", "a", "b", "x" * 150, "y" * 150, "x" * 150, "z" * 300):
        await grammars.compile(JsonSchema({"title": title}))
    assert [json.loads(schema)["title"][0] for schema in tried] == list("abcbxyxz")


async def test_json_objects_need_no_trial(tokenizer: Any, tried: list[str]) -> None:
    await Grammars(tokenizer, VOCABULARY, ENDS).compile(JsonObject())
    assert tried == []


async def test_who_would_wait_too_long_is_told_at_once(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammars = Grammars(tokenizer, VOCABULARY, ENDS)
    done = anyio.Event()

    async def tried(wanted: trial.Trial) -> str:
        await done.wait()
        return ""

    monkeypatch.setattr(grammar, "_try", tried)
    most = grammar._TRIALS + grammar._MOST_WAITING
    refused: list[Overloaded] = []

    async def ask(number: int) -> None:
        try:
            await grammars.compile(JsonSchema({"const": number}))
        except Overloaded as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for number in range(most + 3):
            group.start_soon(ask, number)
        await anyio.wait_all_tasks_blocked()
        assert len(refused) == 3
        assert all(error.retry_after_s for error in refused)
        done.set()
    assert len(refused) == 3
