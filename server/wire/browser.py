"""What the app server and a browser say to each other: `/api/…` on port 7861.

    POST   /api/chat                           ChatRequest -> event stream, or Answer
    GET    /api/chat/{message}/events          event stream, from Last-Event-ID on
    POST   /api/chat/{message}/stop            -> Message
    GET    /api/conversations                  -> ConversationPage
    POST   /api/conversations                  NewConversation -> Conversation
    GET    /api/conversations/{id}             -> Conversation
    PATCH  /api/conversations/{id}             ConversationChange -> Conversation
    DELETE /api/conversations/{id}
    GET    /api/conversations/{id}/messages    -> MessagePage
    GET    /api/conversations/{id}/export      a file: ?format=markdown or json
    GET    /api/models                         -> ModelList
    GET    /api/fleet                          -> FleetReport
    GET    /api/fleet/events                   event stream of `fleet` events, each a FleetReport
    POST   /api/fleet/workers/{name}/{action}  start, stop, restart, drain

The stream of one answer: every frame has an `id`, which is the number of characters (code points)
of the answer sent so far; `Last-Event-ID` asks for what comes after it. Frames without a name are
`TextFrame`s; named ones are `queue`, `sources`, and exactly one of `done` or `error` at the end.
Times are seconds since 1970. `webui/src/api/wire.ts` is made from this file.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

MAX_QUERY_CHARS: Final = 200_000
MAX_NAME_CHARS: Final = 200
MAX_SEED_TURNS: Final = 1_000
MAX_PAGE: Final = 100
PAGE: Final = 50
CONVERSATION_HEADER: Final = "x-conversation-id"
MESSAGE_HEADER: Final = "x-message-id"

MessageStatus = Literal["running", "complete", "stopped", "interrupted", "failed"]
"""`interrupted`: the answer was cut by a fault and is incomplete; `failed`: there is none."""
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "stopped"]


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("the character NUL cannot be stored")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("there is nothing but white space in it")
    return text


def _several(value: object) -> object:
    """OpenAI's clients may send one stop text, or null."""
    return () if value is None else (value,) if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(max_length=MAX_QUERY_CHARS), AfterValidator(_storable)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_NAME_CHARS),
    AfterValidator(_storable),
]
ModelName = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
StopText = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)
]


class Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class GenerationSettings(Frozen):
    """How an answer is made; what is null is left to the model."""

    system: Text | None = None
    """The system prompt."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: Annotated[tuple[StopText, ...], BeforeValidator(_several)] = Field(
        default=(), max_length=4
    )
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)


class SeedTurn(Frozen):
    """One entry of the `history` that a new conversation begins with."""

    role: Literal["user", "assistant"]
    content: Text


class ChatRequest(GenerationSettings):
    """A question. Fields that are not known are ignored, as clients of older products send some.

    Generation settings that are not null are also kept as the conversation's own.
    """

    model_config = ConfigDict(extra="ignore")

    query: Annotated[Text, AfterValidator(_said)]
    conversation_id: Id | Literal[""] | None = None
    """None or empty: a new conversation."""
    conversation_name: Name = ""
    """Of a new conversation; empty: made from the first exchange."""
    parent_id: Id | Literal[""] | None = None
    """The message this one follows. None: the one the reader is at; empty: none, so that this is
    another first message."""
    history: Annotated[tuple[SeedTurn, ...], Field(max_length=MAX_SEED_TURNS)] | int = Field(
        default=(), union_mode="left_to_right"
    )
    """Turns that a new conversation begins with; of one that exists, a number says how many of
    its turns the model may see (-1: as many as fit)."""
    model: ModelName = Field(default="", validation_alias=AliasChoices("model", "model_name"))
    """Empty: the conversation's, or else the first that can chat."""
    chat_type: Literal["chat"] = "chat"
    stream: bool = True


class Usage(Frozen):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class LeftOut(Frozen):
    """What of the conversation did not fit the model's context."""

    turns: int = 0
    """The oldest ones, a question with its answer each."""
    tokens: int = 0


class Problem(Frozen):
    code: str
    message: str


class Message(Frozen):
    """One question with its answer. Messages of a conversation form a tree."""

    id: Id
    conversation_id: Id
    parent_id: Id | None
    chat_type: str
    query: str
    response: str
    status: MessageStatus
    model: str
    settings: GenerationSettings
    """As this answer was made."""
    error: Problem | None = None
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    left_out: LeftOut | None = None
    first_token_s: float | None = None
    """From the question to the first text."""
    duration_s: float | None = None
    """From the first text to the end."""
    create_time: float
    siblings: tuple[Id, ...] = ()
    """All messages with the same parent, this one too, oldest first: the branches here."""
    versions: tuple[tuple[Id, ...], ...] = ()
    """The siblings by their question: each group holds the answers to one wording of it."""


class MessagePage(Frozen):
    """A part of the branch that ends at `leaf_id`, oldest first."""

    items: tuple[Message, ...]
    leaf_id: Id | None
    more: bool
    """Whether the branch goes on above; ask with `before` set to the first item's id."""


class Conversation(Frozen):
    id: Id
    name: str
    """Empty until the first exchange is there."""
    named_by: Literal["nobody", "first exchange", "person"]
    pinned: bool
    model: str
    settings: GenerationSettings
    leaf_id: Id | None
    """The last message of the branch the reader is at."""
    running: bool = False
    """Whether an answer is being made right now."""
    excerpt: str | None = None
    """Where a search found its words."""
    create_time: float
    update_time: float


class ConversationPage(Frozen):
    """Pinned ones first, then the newest."""

    items: tuple[Conversation, ...]
    next_cursor: str | None


class NewConversation(Frozen):
    name: Name = ""
    model: ModelName = ""
    settings: GenerationSettings = GenerationSettings()


class ConversationChange(Frozen):
    """What is null stays as it is."""

    name: Annotated[Name, AfterValidator(_said)] | None = None
    pinned: bool | None = None
    model: ModelName | None = None
    settings: GenerationSettings | None = None
    leaf_id: Id | None = None
    """Go to the branch with this message: the reader is then at the newest message below it."""


class TextFrame(Frozen):
    message_id: Id
    text: str
    """To be appended."""


class QueueFrame(Frozen):
    message_id: Id
    position: int
    """1: next in line; 0: not waiting any more."""
    reason: Literal["queue", "recovering", "waiting", "loading"] = "queue"
    """`recovering`: the way to the model was lost and is being found again; `waiting`: no worker
    serves the model at the moment, and one is waited for; `loading`: the model is being loaded."""
    done: float | None = None
    """Of its weights, the share that is there."""


class DoneFrame(Frozen):
    message_id: Id
    conversation_id: Id
    conversation_name: str
    usage: Usage | None
    finish_reason: FinishReason
    left_out: LeftOut
    first_token_s: float | None
    duration_s: float | None


class ErrorFrame(Frozen):
    message_id: Id
    code: str
    message: str


class Answer(DoneFrame):
    """What `stream: false` is answered with."""

    text: str


class ModelState(Frozen):
    id: str
    state: Literal["ready", "loading", "down"]
    context_length: int | None = None
    workers: int = 0
    """That serve it now."""
    in_flight: int = 0
    waiting: int = 0
    detail: str = ""
    """What is being loaded, or why it is down."""


class ModelList(Frozen):
    items: tuple[ModelState, ...]
    """Those that can chat."""


class Latency(Frozen):
    """Of the last requests, in seconds; None when there were none."""

    first_byte_p50_s: float | None = None
    first_byte_p95_s: float | None = None
    whole_p50_s: float | None = None
    whole_p95_s: float | None = None


class ProcessReport(Frozen):
    """One child of the launcher, and what it does as a worker if it is one."""

    name: str
    role: str
    status: str
    """As `startup.py status` says it, or `suspect` or `draining`."""
    detail: str = ""
    pid: int | None = None
    address: str | None = None
    path: str = ""
    """Of a model whose weights an operator has swapped: where they are,"""
    instead_of: str = ""
    """and where the settings say that they are."""
    memory_bytes: int | None = None
    restarts: int = 0
    since: float | None = None
    """When it came into this status."""
    models: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    slots: int | None = None
    running: int | None = None
    waiting: int | None = None
    in_flight: int | None = None
    """That this gateway has sent there: exact."""
    served: int | None = None
    failed: int | None = None
    latency: Latency | None = None
    can: tuple[Literal["start", "stop", "restart", "drain"], ...] = ()
    """What can be done to it now."""


class FleetReport(Frozen):
    time: float
    state: Literal["ok", "degraded"]
    missing: tuple[str, ...] = ()
    """What is not as it should be, in words."""
    processes: tuple[ProcessReport, ...] = ()
    """Workers of other machines are among them; they have no pid."""


Json = dict[str, Any]
