"""What a server has told of itself: plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from server.wire.fleet import Ability, ModelFacts

Kind = Literal["vllm", "sglang", "ollama", "llama.cpp", "tgi", "shortline", "openai"]
"""`openai`: it speaks the protocol, and nobody knows which one it is."""

Json = Mapping[str, Any]
TALKS: Final[tuple[Ability, ...]] = ("chat", "completions")
MAX_CONTEXT: Final = 2**40


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    models: Mapping[str, ModelFacts]
    """By the name that the server has for each."""
    version: str = ""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.version}".strip()[:100]


@dataclass(frozen=True, slots=True)
class Native:
    """What its own endpoints say, beside its list of models."""

    kind: Kind
    version: str = ""
    of_all: ModelFacts = field(default_factory=ModelFacts)
    """Of each model of which nothing else is known."""
    of_one: Mapping[str, ModelFacts] = field(default_factory=dict)


def listed_facts(model: Json) -> ModelFacts:
    """What an entry of `/v1/models` says, by any of the names that servers have for it."""
    meta = model.get("meta")
    lengths = (
        model.get("max_model_len"),  # vLLM, SGLang
        model.get("context_length"),  # Shortline, and many routers
        meta.get("n_ctx") if isinstance(meta, dict) else None,  # llama.cpp
    )
    length = next((n for n in map(positive, lengths) if n is not None), None)
    return ModelFacts(abilities=_abilities(model), context_length=length)


def _abilities(model: Json) -> tuple[Ability, ...]:
    said = model.get("abilities")  # Shortline
    able = abilities_in(said) if isinstance(said, list) else ()
    shape = model.get("architecture")  # llama.cpp
    takes = shape.get("input_modalities") if isinstance(shape, dict) else None
    if isinstance(takes, list) and "image" in takes:
        return (*(able or TALKS), "vision") if "vision" not in able else able
    return able


def abilities_in(words: Iterable[object]) -> tuple[Ability, ...]:
    known: tuple[Ability, ...] = ("chat", "completions", "embeddings", "rerank", "vision")
    said = [word for word in words if isinstance(word, str)]
    return tuple(ability for ability in known if ability in said)


def positive(number: object) -> int | None:
    """`number`, where it is one that a context can have."""
    return number if type(number) is int and 0 < number <= MAX_CONTEXT else None


def word(text: object) -> str:
    """A short text such as a version, without anything that would not be seen in a log."""
    if not isinstance(text, str | int | float) or isinstance(text, bool):
        return ""
    return "".join(c for c in str(text) if c.isprintable())[:60].strip()
