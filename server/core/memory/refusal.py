"""What is said of a model that does not fit."""

from __future__ import annotations

from server.core.memory.need import Need
from server.core.memory.sizes import in_words
from server.core.settings.model import UNCHECKED

MEND = (
    "choose a smaller model or dtype, fewer slots or a shorter context_length, end what else runs, "
    f"or set this model's `memory` if the estimate is wrong (`{UNCHECKED}`: load it all the same)"
)


def refusal(model: str, need: Need, free: int, where: str) -> str:
    """With what to do about it."""
    return f"{shortage(model, need, free, where)}: {MEND}"


def shortage(model: str, need: Need, free: int, where: str) -> str:
    """`where`: such as `on the CPU`."""
    return (
        f"model {model!r} needs about {need} of memory {where}, and {in_words(free)} are free there"
    )


def place(device: str) -> str:
    return {"cpu": "on the CPU", "cuda": "on its GPUs"}.get(device, f"on {device}")
