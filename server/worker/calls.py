"""Functions that a model is offered, and the calls that it makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_BEFORE_JSON: Final = re.compile(r"\s*[^\s{]+")


@dataclass(frozen=True, slots=True)
class Function:
    """What a model is offered to call."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """A JSON Schema of its arguments, which are an object."""
    strict: bool = False
    """As `JsonSchema.strict`."""
    param: str = "tools"
    """Where in the request it stands."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function that a model has called."""

    id: str
    name: str
    arguments: str
    """JSON, or what the model took for it."""


@dataclass(frozen=True, slots=True)
class CallStyle:
    """How a model writes its calls: `begin` NAME `middle` ARGUMENTS, again from `between` on for
    each further one, and `end` behind the last."""

    begin: str
    middle: str
    end: str
    between: str | None = None
    """None: it makes one call at a time."""

    @property
    def trigger(self) -> str:
        """By what a call is known in the midst of a text; empty: it is all of the answer."""
        found = _BEFORE_JSON.match(self.begin)
        return found[0] if found else ""
