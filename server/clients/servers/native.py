"""The endpoints by which each kind of server is known, and what they tell.

vLLM       GET /version                 {"version"}
           GET /openapi.json            {"paths"}
SGLang     GET /server_info, or /get_server_info of older ones
                                        {"version", "model_path", "context_length", "is_embedding"}
Ollama     GET /api/version             {"version"}
           GET /api/ps                  {"models": [{"name", "context_length"}]}, those in memory
           POST /api/show {"model"}     {"capabilities", "parameters"}
llama.cpp  GET /props                   {"default_generation_settings": {"n_ctx"}, "modalities",
                                        "build_info"}
TGI        GET /info                    {"model_id", "version", "max_total_tokens"}
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from server.clients.servers.found import TALKS, Json, Kind, Native, positive, word
from server.wire.fleet import Ability, ModelFacts

MAX_SHOWN: Final = 200
"""So many models of an Ollama are asked about one by one."""
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,12})\s*$", re.MULTILINE)


class Ask(Protocol):
    """A question to the server; None for every answer that is no JSON object with status 200."""

    async def __call__(self, path: str, body: Json | None = None) -> Json | None: ...


async def vllm(ask: Ask, models: Collection[str]) -> Native | None:
    told = await ask("/version")
    if told is None or not word(told.get("version")):
        return None
    return Native("vllm", word(told["version"]), await _by_routes(ask))


async def _by_routes(ask: Ask) -> ModelFacts:
    """A vLLM with a model that makes embeddings, or ranks, has no route for chats; older ones have
    all routes whatever they serve."""
    described = await ask("/openapi.json") or {}
    paths = described.get("paths")
    if not isinstance(paths, dict) or "/v1/chat/completions" in paths:
        return ModelFacts()
    able: tuple[Ability, ...] = ("embeddings", "rerank")
    return ModelFacts(abilities=tuple(one for one in able if f"/v1/{one}" in paths))


async def sglang(ask: Ask, models: Collection[str]) -> Native | None:
    told = await ask("/server_info") or await ask("/get_server_info")
    if told is None or "model_path" not in told:
        return None
    able: tuple[Ability, ...] = ("embeddings",) if told.get("is_embedding") is True else TALKS
    facts = ModelFacts(abilities=able, context_length=positive(told.get("context_length")))
    return Native("sglang", word(told.get("version")), facts)


async def ollama(ask: Ask, models: Collection[str]) -> Native | None:
    told = await ask("/api/version")
    if told is None or not word(told.get("version")):
        return None
    running = await ask("/api/ps")
    if running is None:
        return None
    loaded = _loaded(running)
    facts = {}
    for model in list(models)[:MAX_SHOWN]:
        shown = await ask("/api/show", {"model": model})
        if shown is not None:
            facts[model] = _shown(shown, loaded.get(model))
    return Native("ollama", word(told["version"]), of_one=facts)


def _loaded(running: Json) -> dict[str, int | None]:
    """The context that each model in memory was given."""
    listed = running.get("models")
    found = {}
    for model in listed if isinstance(listed, list) else []:
        if isinstance(model, dict) and isinstance(model.get("name"), str):
            found[model["name"]] = positive(model.get("context_length"))
    return found


def _shown(shown: Json, loaded: int | None) -> ModelFacts:
    """How long a model's context is depends on what it is loaded with, not on what it was trained
    for; of one that is not loaded and has no `num_ctx` nobody knows."""
    said = shown.get("capabilities")
    words = said if isinstance(said, list) else []
    able: tuple[Ability, ...] = ()
    if "completion" in words:
        able = TALKS
    if "embedding" in words:
        able = (*able, "embeddings")
    if "vision" in words:
        able = (*able, "vision")
    parameters = shown.get("parameters")
    match = _NUM_CTX.search(parameters) if isinstance(parameters, str) else None
    length = loaded or (positive(int(match[1])) if match else None)
    return ModelFacts(abilities=able, context_length=length)


async def llama_cpp(ask: Ask, models: Collection[str]) -> Native | None:
    told = await ask("/props")
    if told is None or not isinstance(told.get("default_generation_settings"), dict):
        return None
    modes = told.get("modalities")
    sees = isinstance(modes, dict) and modes.get("vision") is True
    able: tuple[Ability, ...] = (*TALKS, "vision") if sees else ()
    length = positive(told["default_generation_settings"].get("n_ctx"))
    facts = ModelFacts(abilities=able, context_length=length)
    of_one = dict.fromkeys(models, facts) if len(models) == 1 else {}  # of several it is nobody's
    return Native("llama.cpp", word(told.get("build_info")), of_one=of_one)


async def tgi(ask: Ask, models: Collection[str]) -> Native | None:
    told = await ask("/info")
    if told is None or "model_id" not in told or "max_total_tokens" not in told:
        return None
    facts = ModelFacts(abilities=TALKS, context_length=positive(told["max_total_tokens"]))
    return Native("tgi", word(told.get("version")), facts)


Sniff = Callable[[Ask, Collection[str]], Awaitable[Native | None]]
SNIFFS: Final[Mapping[Kind, Sniff]] = MappingProxyType(
    {
        "llama.cpp": llama_cpp,  # before Ollama, some of whose paths it has too
        "ollama": ollama,
        "sglang": sglang,  # before vLLM, whose /version others have too
        "tgi": tgi,
        "vllm": vllm,
    }
)
OWNERS: Final[Mapping[str, Kind]] = MappingProxyType(
    {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp", "library": "ollama"}
)
"""Whom the models belong to in `/v1/models`, as each kind of server says it."""


def likeliest(entries: Collection[Mapping[str, Any]]) -> list[Kind]:
    """In which order to ask, by what the list of models looks like."""
    order = list(SNIFFS)
    for entry in entries:
        owner = entry.get("owned_by")
        guess = OWNERS.get(owner) if isinstance(owner, str) else None
        if guess is not None:
            order.remove(guess)
            return [guess, *order]
    return order
