"""How far the loading of weights is, in bytes of the model's own files.

transformers tells nobody but a progress bar: its bar is ours while a model loads. It takes each
tensor when the one before is where it belongs, so what it has passed is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from transformers.utils.logging import set_tqdm_hook

from server.core.memory.sizes import of_total
from server.core.memory.weights import read_weights
from server.wire.process import Report
from server.worker.engine import Say

TELL_S: Final = 0.5
"""The launcher hears of it no more often."""
_BAR: Final = "Loading weights"
"""What transformers calls the bar."""


@contextmanager
def told_weights(folder: Path, device: str, say: Say) -> Iterator[None]:
    """In the block, the weights of `folder` are loaded."""
    weights = read_weights(folder)
    telling = Telling(weights.tensors if weights else {}, device, say)
    telling.tell()
    before = set_tqdm_hook(telling.bar)
    try:
        yield
    finally:
        set_tqdm_hook(before)


class Telling:
    def __init__(
        self,
        tensors: Mapping[str, int],
        device: str,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tensors`: their bytes, by name."""
        self._tensors = tensors
        self._total = sum(tensors.values())
        self._device = device
        self._say = say
        self._clock = clock
        self._told_at = -TELL_S
        self._done = 0.0

    def bar(self, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """In place of each progress bar that transformers makes."""
        if kwargs.get("desc") == _BAR and args:
            return self._passing(args[0])
        return make(*args, **kwargs)

    def _passing(self, items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        """What is renamed or merged on its way has no size of its own, and counts as the mean."""
        listed = list(items)
        mean = self._total / max(1, len(listed))
        sizes = [float(self._tensors.get(name, mean)) for name, _ in listed]
        scale = self._total / sum(sizes) if self._total else 0.0
        for item, size in zip(listed, sizes, strict=True):
            yield item
            self._done += size * scale
            if self._clock() - self._told_at >= TELL_S:
                self.tell()
        self._done = float(self._total)
        self.tell()

    def tell(self) -> None:
        self._told_at = self._clock()
        share = min(1.0, self._done / self._total) if self._total else 0.0
        amount = of_total(self._done, self._total)
        detail = f"weights, {amount} ({share:.0%}), on {self._device}"
        self._say(Report(state="loading", detail=detail, done=share))
