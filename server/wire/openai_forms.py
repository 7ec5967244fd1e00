"""`response_format`: what an answer has to be.

https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class NamedSchema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    """None: any object."""
    strict: bool | None = None
    """Not true: what no grammar can say of it is left to the model."""


class ResponseFormat(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _with_its_schema(self) -> Self:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("it must come with a json_schema")
        return self
