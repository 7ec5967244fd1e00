"""OpenAPI documents of the ports that publish none, made of the models that read their bodies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    takes: type[BaseModel] | None = None
    query: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Parameters, with their schemas."""
    headers: tuple[tuple[str, dict[str, Any]], ...] = ()
    ids: dict[str, Any] | None = None
    """The schema of what stands in the path's braces."""

    def operation(self) -> dict[str, Any]:
        described: dict[str, Any] = {"responses": {"default": {"description": "Whatever it is."}}}
        if self.takes is not None:
            schema = {"$ref": SCHEMAS + self.takes.__name__}
            content = {"application/json": {"schema": schema}}
            described["requestBody"] = {"required": True, "content": content}
        named = [part.partition("}")[0] for part in self.path.split("{")[1:]]
        described["parameters"] = [
            *(_parameter(name, "path", self.ids or {"type": "string"}) for name in named),
            *(_parameter(name, "query", schema) for name, schema in self.query),
            *(_parameter(name, "header", schema) for name, schema in self.headers),
        ]
        return described


def described(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of a process with these routes."""
    routes = list(routes)
    models = [(route.takes, "validation") for route in routes if route.takes is not None]
    _, found = models_json_schema(models, ref_template=f"{SCHEMAS}{{model}}")  # type: ignore[arg-type]
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = route.operation()
    return {
        "openapi": "3.1.0",
        "info": {"title": "one process", "version": "1"},
        "paths": paths,
        "components": {"schemas": found.get("$defs", {})},
    }


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
