"""What every engine can be asked, and how it answers. It knows nothing of HTTP.

An engine is one file in `server/worker/engines/`; the file's name is its `kind` in the settings.
Callers ask for one generation at a time and never learn how many run together, so that one batch
for all of them can take the place of taking turns without any caller changing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from server.core.errors import BadRequest
from server.core.settings import ModelSettings
from server.wire.fleet import Ability
from server.wire.lanes import Lane
from server.wire.process import Report
from server.worker.calls import Call, CallStyle, Function
from server.worker.text.thinking import Marks

FinishReason = Literal["stop", "length"]
Say = Callable[[Report], None]


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


@dataclass(frozen=True, slots=True)
class Style:
    """How FastChat's API server can build this model's prompts: fields of its `Conversation`."""

    fields: Mapping[str, object]
    empty_system: str = ""
    """What it puts in front of the first user's text when there is no system message,"""
    no_system: str = ""
    """and what belongs there."""

    def without_empty_system(self, prompt: str) -> str:
        if not self.empty_system or not prompt.startswith(self.empty_system):
            return prompt
        return self.no_system + prompt.removeprefix(self.empty_system)


def _unheard(why: str) -> None:
    """Nobody has asked to be told."""


class Engine:
    """Base of all engines; an engine overrides what its `abilities` promise.

    Its module has `def load(settings: ModelSettings, say: Say) -> Engine`, which blocks and
    raises `StartError` naming the model and the cause.
    """

    abilities: tuple[Ability, ...] = ()
    context_length: int | None = None
    """Tokens of prompt and answer, or of one input."""
    tokens_after_cancel: int = 0
    """Tokens generated for somebody who had left; never more than one for each who leaves."""
    generated: int = 0
    """Tokens of all answers so far, those of the end marks included."""
    when_failed: Callable[[str], None] = staticmethod(_unheard)
    """Told why, by any thread, when nothing can be answered any more."""

    async def prepare(self, prompt: Prompt) -> Prepared:
        """An empty text is where the model begins; its length was looked at before.

        Raises `BadRequest` for what the model's template does not take, and for no tokens.
        """
        raise BadRequest("This model does not generate text.", param="model")

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        """The prompt as the model reads it: `prepared.tokens` numbers of its own vocabulary."""
        raise BadRequest("This model does not generate text.", param="model")

    async def learn(self, form: Form) -> None:
        """What an answer of that form needs to begin: nothing is generated, and nobody who
        generates waits for it. Raises `BadRequest` for one that cannot be kept to, and
        `Overloaded`."""

    def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The answer, piece by piece. To leave the generator is to cancel, within one step.

        The caller has seen to it that prompt and answer fit into the context. Raises `BadRequest`
        for a form that cannot be kept to.
        """
        raise BadRequest("This model does not generate text.", param="model")

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Embedded:
        """Raises `BadRequest` for an input that is too long, or `dimensions` it does not have."""
        raise BadRequest("This model does not make embeddings.", param="model")

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        max_tokens_per_doc: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Reranked:
        """`max_tokens_per_doc`: of each document, no more is read.

        Raises `ContextLengthExceeded` for what is too long to be read together.
        """
        raise BadRequest("This model does not rerank.", param="model")

    def style(self) -> Style | None:
        """None: nobody else can build this model's prompts."""
        return None

    def close(self) -> None:
        """Stop every thread. Running generations end as if cancelled."""


Load = Callable[[ModelSettings, Say], Engine]
