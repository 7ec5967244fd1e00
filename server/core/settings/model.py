"""`models`: those that run on this machine."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from server.core.limits import QUEUE_PER_WORKER
from server.core.memory.sizes import SIZE_PATTERN
from server.core.settings.section import Section

WITHOUT_WEIGHTS = ("echo",)
"""Engines that load nothing."""
NAME: Final = r"^[^\s/\\]+(/[^\s/\\]+)*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME)]
UNCHECKED: Final = "unchecked"
"""Of `memory`: whatever it needs, it is loaded."""


class ModelSettings(Section):
    """One local model; each of its replicas is a process of its own."""

    name: Name
    """As clients say it in `model`."""
    engine: str = "transformers"
    """A file of `server/worker/engines/`."""
    path: str = Field(default="", validate_default=True)
    """A folder, a hub name such as `Qwen/Qwen3-0.6B`, `bundled:` and a name, or a GGUF file (engine
    `llama_cpp`); only the engine `echo` needs none."""
    enabled: bool = True
    """False: not started, unless named by `-n`."""
    replicas: int = Field(default=1, ge=1, le=64)
    """Processes that serve this model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto`, `cpu`, `cuda`, `mps`."""
    gpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """GPU numbers this model may see; empty: all of them."""
    memory_per_gpu: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?(GiB|MiB|GB|MB)$")
    """The most to use of each GPU, such as `20GiB`."""
    memory: str | None = Field(default=None, pattern=rf"^({UNCHECKED}|{SIZE_PATTERN})$")
    """What it needs, such as `20GiB`, where the estimate is wrong; `unchecked`: it is loaded though
    it may not fit."""
    load_at: Literal["start", "request"] = "start"
    """`request`: it is loaded when it is first asked for."""
    idle_unload_s: float | None = Field(default=None, gt=0)
    """Unasked for so long, it is unloaded, and loaded again when it is asked for; none: never for
    that reason."""
    pinned: bool = False
    """True: it is never unloaded to make room for another model."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """`auto` is float32 on a CPU, the model's own on a GPU; or `float32`, `float16`, `bfloat16`.
    With a GGUF file it is that of what is remembered, and `auto` is float16."""
    quantization: Literal["bitsandbytes-8bit", "bitsandbytes-4bit"] | None = None
    """`bitsandbytes-8bit` or `bitsandbytes-4bit` makes the weights smaller while they are loaded;
    none: they stay as they are, quantised or not."""
    attention: (
        Literal["sdpa", "eager", "flash_attention_2", "flash_attention_3", "flash_attention_4"]
        | None
    ) = None
    """How attention is reckoned: `sdpa` (torch's own), `eager` (step by step, which takes more
    memory), or `flash_attention_2`, `_3` or `_4`, for GPUs that a package of that name is installed
    for; none: `sdpa`, where the model knows it."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """CPU threads for one step; none: torch decides."""
    slots: int = Field(default=4, ge=1, le=1024)
    """Requests worked on at the same time."""
    queue: int = Field(default=QUEUE_PER_WORKER, ge=0, le=4096)
    """Requests that wait for a slot; one more gets 429."""
    speed: float = Field(default=1.0, gt=0)
    """Throughput relative to the other workers of the same model."""
    adapters: dict[Name, Annotated[str, Field(min_length=1)]] = Field(default={}, max_length=256)
    """LoRA adapters over this model, each a model of its own: what clients call it, and its folder.
    All share one batch."""
    context_length: int | None = Field(default=None, ge=16)
    """Tokens of prompt and answer; none: what the model says."""
    conversation_template: str | None = None
    """A FastChat template, for models without a chat template of their own."""
    trust_remote_code: bool = False
    """True runs Python code that comes with the model."""
    fastchat_controller: str | None = Field(default=None, pattern=r"^https?://[^/\s]+/?$")
    """A FastChat controller that this model joins as well. FastChat has no secret, so the model's
    FastChat routes are then open to whoever reaches its port."""
    options: dict[str, str | int | float | bool] = Field(default={})
    """What only one engine understands; its file says what."""

    @field_validator("path")
    @classmethod
    def _where_needed(cls, path: str, info: ValidationInfo) -> str:
        if not path and info.data.get("engine") not in WITHOUT_WEIGHTS:
            raise PydanticCustomError("missing", "Field required")
        return path

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for here: the model and its adapters."""
        return (self.name, *self.adapters)

    @model_validator(mode="after")
    def _pinned_for_good(self) -> Self:
        if self.pinned and self.idle_unload_s is not None:
            raise ValueError("pinned models are never unloaded, so idle_unload_s has no effect")
        return self
