"""What is completed or embedded: texts, or lists of tokens."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Discriminator, Field, Tag

from server.wire.openai_faults import fault

MAX_PROMPTS: Final = 64
MAX_INPUTS: Final = 2048
MAX_PROMPT_TOKENS: Final = 1_000_000

TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Tokens = Annotated[
    list[TokenId],
    Field(fail_fast=True, min_length=1, max_length=MAX_PROMPT_TOKENS),
]


def _as_list(given: Any) -> Any:
    """One text, or one list of tokens, as a list of one. Raises a fault where both stand."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        return given
    kind = type(given[0])
    if len(set(map(type, given))) > 1:
        other = next(at for at, one in enumerate(given) if type(one) is not kind)
        raise fault("texts, tokens and lists of tokens cannot be mixed", f"[{other}]")
    return [given] if kind is int else given


def _prompts(given: Any) -> Any:
    """null, as OpenAI has it, is where a text begins."""
    return [""] if given is None else _as_list(given)


def _kind_of(given: Any) -> str:
    return "tokens" if isinstance(given, list) and given and type(given[0]) is list else "texts"


Prompts = Annotated[
    Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=MAX_PROMPTS), Tag("texts")]
    | Annotated[
        list[_Tokens], Field(fail_fast=True, min_length=1, max_length=MAX_PROMPTS), Tag("tokens")
    ],
    Discriminator(_kind_of),
    BeforeValidator(_prompts),
]
Inputs = Annotated[
    Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS),
        Tag("texts"),
    ]
    | Annotated[
        list[_Tokens], Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS), Tag("tokens")
    ],
    Discriminator(_kind_of),
    BeforeValidator(_as_list),
]
