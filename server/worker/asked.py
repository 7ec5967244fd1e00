"""What engines are asked, and what they say: prompts, forms of answers, pieces of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from server.wire.lanes import Lane
from server.worker.calls import Call, CallStyle, Function
from server.worker.text.thinking import Marks

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str
    text: str
    name: str | None = None
    thought: str = ""
    """What the model thought before it said that, where it is told again."""
    calls: tuple[Call, ...] = ()
    """Of functions, that the model made in this turn."""
    call_id: str | None = None
    """Of the call that this is the result of."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation that the model's own template turns into a prompt."""

    turns: tuple[Turn, ...]
    functions: tuple[Function, ...] = ()
    """What the model may call."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """What its template may be told beside that; it ignores what it does not know."""


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt as it is; the model's special tokens in it count as such."""

    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt in tokens of this very model."""

    ids: tuple[int, ...]


Prompt: TypeAlias = Chat | Text | Tokens


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt that can be generated from, once or several times."""

    tokens: int
    text: str
    """The prompt as the model reads it."""
    inner: object
    """What only the engine that prepared it understands."""
    calls: CallStyle | None = None
    """How the model writes the calls of the functions it was offered."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Any JSON object."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """What this JSON Schema (2020-12) describes; its properties come in the schema's order."""

    schema: Mapping[str, object]
    strict: bool = True
    """False: keywords that cannot be kept to are ignored; True: they are refused."""
    param: str = "response_format.json_schema.schema"
    """Where in the request it stands."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of functions, each with arguments that fit; or a text, unless they are demanded."""

    functions: tuple[Function, ...]
    style: CallStyle
    demanded: bool = False
    many: bool = True
    text: JsonObject | JsonSchema | None = None
    """What the text has to be."""


@dataclass(frozen=True, slots=True)
class AfterThought:
    """A form of the answer, of a model that thinks first: the thought has none."""

    form: JsonObject | JsonSchema | Calls
    marks: Marks
    """Around the thought."""
    begun: bool
    """Whether the prompt has begun it; else the model thinks if it likes."""


Form: TypeAlias = JsonObject | JsonSchema | Calls | AfterThought


@dataclass(frozen=True, slots=True)
class Ask:
    """How to go on from a prompt. None: as the model's authors recommend."""

    max_tokens: int
    temperature: float | None = None
    """0: always the likeliest token."""
    top_p: float | None = None
    top_k: int | None = None
    """0: no limit."""
    repetition_penalty: float | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    """The same seed gives the same text, whatever else runs at the same time."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    stop_token_ids: tuple[int, ...] = ()
    form: Form | None = None
    """What the answer has to be, whatever the model would rather say."""
    marks: Marks | None = None
    """Around what the model thinks: its text has them, even if they are special tokens."""
    logprobs: int | None = None
    """How likely each token was, and so many of the likeliest in its place; None: nobody asks."""
    score_prompt: bool = False
    """The same for the tokens of the prompt."""
    adapter: str = ""
    """In whose words: one of those that the model's settings name; empty: the model's own."""
    lane: Lane = "normal"
    """Who goes on first where several answers share a model; the text does not depend on it,"""
    customer: str = ""
    """nor on this: those of different customers go on equally fast, however many each has."""


@dataclass(frozen=True, slots=True)
class Likely:
    """A token, and how likely it was."""

    token: int
    text: bytes
    """What it adds to the text: perhaps a part of a character, nothing where it is a mark."""
    logprob: float


@dataclass(frozen=True, slots=True)
class Scored(Likely):
    """One that stands in the text."""

    others: tuple[Likely, ...] = ()
    """The likeliest in its place, best first, as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer; the last one has a `finish`."""

    text: str
    """Whole characters, never a part of a stop text; may be empty in the last piece."""
    tokens: int
    """Tokens generated so far, those of the end mark included."""
    finish: FinishReason | None = None
    scores: tuple[Scored, ...] = ()
    """Of its tokens, if they were asked for."""
    prompt: tuple[Scored | None, ...] = ()
    """Of the prompt's, in the first piece, if they were asked for; None: nothing stood before."""
    cached: int = 0
    """Of the prompt's tokens, those that did not have to be read again."""
    stop: str | None = None
    """The stop text that ended it."""


@dataclass(frozen=True, slots=True)
class Embedded:
    vectors: Sequence[Sequence[float]]
    """One for each input, of length 1."""
    tokens: int
    """Of all inputs together."""


@dataclass(frozen=True, slots=True)
class Reranked:
    scores: Sequence[float]
    """One for each document: 0, it says nothing about the query, to 1."""
    tokens: int
    """Of all pairs together; the query is read anew with each document."""
