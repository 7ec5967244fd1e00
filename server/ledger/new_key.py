"""What a key may be made of, wherever the wish comes from."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, field_validator

from server.ledger.key import PREFIX, Limits
from server.wire.lanes import Lane

MAX_NAME_CHARS: Final = 100
MAX_MODELS: Final = 100
MAX_MODEL_CHARS: Final = 200
MAX_COUNT: Final = 10**9
"""Of requests, or of tokens in a minute."""
MAX_TOKENS_PER_DAY: Final = 10**15
LAST_MOMENT: Final = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""

Count = Annotated[StrictInt, Field(ge=1, le=MAX_COUNT)]


class NewKey(BaseModel):
    """The wish for a key. A limit that is left out, or null, is none."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    name: StrictStr
    """For people; no two keys in use share one."""
    models: tuple[StrictStr, ...] | None = Field(default=None, min_length=1, max_length=MAX_MODELS)
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    parallel: Count | None = None
    tokens_per_day: Annotated[StrictInt, Field(ge=1, le=MAX_TOKENS_PER_DAY)] | None = None
    lane: Lane | None = None
    admin: StrictBool = False
    expires: Annotated[StrictInt, Field(ge=1, le=LAST_MOMENT)] | None = None
    """Seconds since 1970; null: never."""

    @field_validator("name")
    @classmethod
    def _for_people(cls, name: str) -> str:
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable() or name != name.strip():
            raise ValueError(
                f"a name has 1 to {MAX_NAME_CHARS} printable characters, and no space at its ends"
            )
        if name.startswith((PREFIX, "sk-")):
            raise ValueError("this looks like a key itself; a name is shown to everybody")
        if name.startswith("key-"):
            raise ValueError("names that begin with key- are ids")
        return unicodedata.normalize("NFC", name)

    @field_validator("models")
    @classmethod
    def _nameable(cls, models: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for model in models or ():
            if not model or len(model) > MAX_MODEL_CHARS or not model.isprintable():
                raise ValueError(f"a model's name has 1 to {MAX_MODEL_CHARS} printable characters")
        return models

    @property
    def limits(self) -> Limits:
        return Limits(
            models=None if self.models is None else frozenset(self.models),
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            parallel=self.parallel,
            tokens_per_day=self.tokens_per_day,
        )
