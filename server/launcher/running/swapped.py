"""Which models operators have swapped, kept in `data/swapped.json`: it outlives every process.

A swap holds as long as the settings name the weights that it has replaced: whoever names others
there afterwards has the last word. Only the launcher that holds the home's lock writes it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from server.core.draft import write_whole
from server.launcher.setup.plan import ChildPlan

log = logging.getLogger(__name__)


class Swap(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    instead_of: str
    """What the settings said."""


_SWAPS: TypeAdapter[dict[str, Swap]] = TypeAdapter(dict[str, Swap])


class Swapped:
    """By model. One that is not configured any more keeps its line: it may come back."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.unreadable = ""
        """Why what was written there is not known, in words."""
        self._swaps: dict[str, Swap] = {}
        try:
            self._swaps = _SWAPS.validate_json(file.read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            self.unreadable = _told(file, f"cannot be read ({error.strerror})")
        except ValidationError:
            self.unreadable = _told(file, "makes no sense")

    def applied(self, plan: ChildPlan) -> ChildPlan:
        """`plan`, made of the settings, with the weights that an operator has put in place."""
        swap = self._swaps.get(plan.model.name) if plan.model else None
        if swap is None or plan.model is None or plan.model.path != swap.instead_of:
            return plan
        return plan.loading_from(swap.path)

    def forget_outdated(self, plans: Iterable[ChildPlan]) -> list[str]:
        """Swaps over which the settings have changed since; what is to be said of them."""
        outdated = dict(self._outdated(plans))
        if outdated:
            self._put({name: swap for name, swap in self._swaps.items() if name not in outdated})
        return list(filter(None, outdated.values()))

    def _outdated(self, plans: Iterable[ChildPlan]) -> Iterator[tuple[str, str]]:
        for model in (plan.model for plan in plans if plan.model):
            swap = self._swaps.get(model.name)
            if swap is None or model.path == swap.instead_of:
                continue
            yield (
                model.name,
                f"{model.name}: its `path` in the settings was changed after it was swapped to "
                f"{swap.path}, so the settings count."
                if model.path != swap.path
                else "",
            )

    def remember(self, plan: ChildPlan) -> bool:
        """The weights of `plan`, over every start. False: it could not be written."""
        if plan.model is None:
            return True
        swaps = {name: swap for name, swap in self._swaps.items() if name != plan.model.name}
        if plan.instead_of is not None:
            swaps[plan.model.name] = Swap(path=plan.model.path, instead_of=plan.instead_of)
        return swaps == self._swaps or self._put(swaps)

    def _put(self, swaps: dict[str, Swap]) -> bool:
        self._swaps = swaps
        said = {name: swap.model_dump() for name, swap in swaps.items()}
        try:
            write_whole(self._file, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning("cannot write which models were swapped", extra={"reason": str(error)})
            return False
        return True


def _told(file: Path, why: str) -> str:
    return (
        f"{file} {why}, so nobody knows which models an operator has swapped: each is loaded as "
        "the settings say. Mend the file before a start, or swap them again after it."
    )
