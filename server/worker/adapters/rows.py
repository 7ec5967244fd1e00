"""LoRA adapters over one model: each row of a pass is read with its own, or with none.

All adapters of a layer lie side by side, as one pair of matrices, and what does not belong to a
row is taken out in between. So a pass costs two more products for a layer, however many adapters
it mixes; of many, those that it needs are copied out. `peft`'s own layers go through them one by
one: with three, a step of the bundled model takes two and a half times as long.

Source: Hu et al. 2021, section 4.1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.wire.process import Report
from server.worker.adapters.files import BadAdapter, own_template
from server.worker.engine import Say

log = logging.getLogger(__name__)

Use = Callable[[Sequence[str]], None]
"""Says which adapter each row of the next passes is read with."""
NONE: Final = ""
"""The name of no adapter: the model's own words."""
_NOBODY: Final = -1
_FEW: Final = 0.5
"""Of all columns of a layer: so many or less are worth a copy."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What one adapter adds to one layer: `up @ down`."""

    down: Tensor
    """(rank, width of what the layer reads)"""
    up: Tensor
    """(width of what it writes, rank), scaled."""


class Adapters:
    """Over one model, whose layers it hooks. One thread uses both."""

    def __init__(self, model: Any, adapters: Mapping[str, Mapping[str, Pair]]) -> None:
        """`adapters`: by name, what each adds to which layer of `model`."""
        self._numbers = {NONE: _NOBODY} | {name: at for at, name in enumerate(adapters)}
        self._now: Sequence[str] = ()
        self._rows = torch.zeros(0, 1, 1)
        """Whose each row is, (rows, 1, 1)."""
        self._masks: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}
        self.here: frozenset[int] = frozenset({_NOBODY})
        """Those of all rows, `_NOBODY` included."""
        for path in sorted({path for layers in adapters.values() for path in layers}):
            pairs = {
                self._numbers[name]: layers[path]
                for name, layers in adapters.items()
                if path in layers
            }
            model.get_submodule(path).register_forward_hook(_Layer(self, path, pairs))

    def use(self, names: Sequence[str]) -> None:
        """From now on: whose each row of a pass is."""
        if names == self._now:
            return
        self._now = names
        self._masks.clear()
        numbers = [self._numbers[name] for name in names]
        self.here = frozenset(numbers)
        self._rows = torch.tensor(numbers)[:, None, None]

    def mask(self, owners: tuple[int, ...], device: torch.device) -> Tensor:
        """Which columns each row keeps, (rows, 1, columns), where each has an owner. Most layers
        share one."""
        known = self._masks.get((owners, device))
        if known is None:
            known = (self._rows == torch.tensor(owners)).to(device)
            self._masks[owners, device] = known
        return known


class _Columns(NamedTuple):
    """Of one layer."""

    down: Tensor
    up: Tensor
    owners: tuple[int, ...]


class _Layer:
    """The adapters of one layer, called after it."""

    def __init__(self, adapters: Adapters, path: str, pairs: Mapping[int, Pair]) -> None:
        self._adapters = adapters
        self._path = path
        self._all = _Columns(
            torch.cat([pair.down for pair in pairs.values()]),
            torch.cat([pair.up for pair in pairs.values()], dim=1),
            tuple(at for at, pair in pairs.items() for _ in range(len(pair.down))),
        )
        self._spans = {at: _span(self._all.owners, at) for at in pairs}
        self._few: tuple[frozenset[int], _Columns] = (frozenset(), self._all)

    def __call__(self, _layer: Any, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        here = self._adapters.here
        if here.isdisjoint(self._spans):
            return out
        if len(here) == 1:
            (span,) = (self._spans[at] for at in here)
            inner = self._read(args[0], self._all.down[span])
            return self._added(out, inner, self._all.up[:, span])
        down, up, owners = self._columns(here)
        inner = self._read(args[0], down)
        mask = self._adapters.mask(owners, down.device)
        return self._added(out, torch.where(mask, inner, 0), up)

    def _columns(self, here: frozenset[int]) -> _Columns:
        """At least those of `here`; of many adapters, a copy of the few that are needed."""
        here = here.intersection(self._spans)
        if self._few[0] != here:
            spans = [self._spans[at] for at in sorted(here)]
            count = sum(span.stop - span.start for span in spans)
            few = self._all
            if count <= len(few.owners) * _FEW:
                few = _Columns(
                    torch.cat([few.down[span] for span in spans]),
                    torch.cat([few.up[:, span] for span in spans], dim=1),
                    tuple(owner for span in spans for owner in few.owners[span]),
                )
            self._few = here, few
        return self._few[1]

    def _read(self, read: Tensor, down: Tensor) -> Tensor:
        if read.dim() != 3:
            raise StartError(f"its layer {self._path} does not tell whose row it reads")
        return functional.linear(read.to(down.device, down.dtype), down)

    @staticmethod
    def _added(out: Tensor, inner: Tensor, up: Tensor) -> Tensor:
        return out + functional.linear(inner, up).to(out.device, out.dtype)


def no_adapters(_names: Sequence[str]) -> None:
    """`Use` of a model that has none."""


def load_adapters(settings: ModelSettings, model: Any, tokenizer: Any, say: Say) -> Use:
    """Raises `StartError`."""
    if not settings.adapters:
        return no_adapters
    say(Report(state="loading", detail=f"{len(settings.adapters)} adapters"))
    _compare_templates(settings, tokenizer.chat_template)
    from server.worker.adapters.lora import read_adapters  # importing peft costs seconds

    return Adapters(model, read_adapters(settings, model)).use


def _compare_templates(settings: ModelSettings, template: Any) -> None:
    """The model's own makes all prompts; whoever trained with another one is told."""
    for name, folder in settings.adapters.items():
        own = own_template(Path(folder).expanduser())
        if own and (not isinstance(template, str) or own.strip() != template.strip()):
            log.warning(
                "an adapter brings another chat template; the model's is used",
                extra={"model": settings.name, "adapter": name},
            )


def try_adapters(settings: ModelSettings, forward: Callable[..., tuple[Tensor, Any]]) -> None:
    """`forward`: as the engine's. Raises `StartError` for one that does not work."""
    for name in settings.adapters:
        try:
            scores, _ = forward((0,), None, name)
        except StartError as error:
            raise BadAdapter(settings.name, name, f"cannot be used: {error}") from error
        if not bool(torch.isfinite(scores).all()):
            raise BadAdapter(settings.name, name, "is broken: the scores are not numbers")


def _span(owners: tuple[int, ...], owner: int) -> slice:
    """Where `owner`'s columns are: they lie side by side."""
    start = owners.index(owner)
    return slice(start, start + owners.count(owner))
