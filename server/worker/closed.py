"""Schemas whose objects have the properties that they name, and no others.

JSON Schema lets an object have any others unless it says `additionalProperties: false`, which most
people leave out. Large models add none of their own; small ones would invent some for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "prefixItems")
_ONES: Final = ("items", "additionalProperties")
COMPOSED: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "minProperties"}
    | {"unevaluatedProperties", "dependentSchemas", "propertyNames"}
)
"""Keywords by which other schemas speak of the same object."""
_UNKNOWN: Final = COMPOSED - {"$ref", "anyOf", "minProperties"}


def closed(schema: Schema) -> Schema:
    """`schema` as it is where one schema speaks of the same object as another: what each of them
    does not name the other might."""
    if any(_is_shared(one) for one in _within(schema)):
        return schema
    found: Schema = _closed(schema)
    return found


def _is_shared(schema: Schema) -> bool:
    names_some = {"properties", "required"} & schema.keys()
    return bool(_UNKNOWN & schema.keys() or (names_some and COMPOSED & schema.keys()))


def _within(schema: Schema) -> Iterator[Schema]:
    """Itself, and all schemas in it."""
    yield schema
    for one in _inner(schema):
        yield from _within(one)


def _inner(schema: Schema) -> list[Schema]:
    maps = [inner for name in _MAPS if isinstance(inner := schema.get(name), Mapping)]
    lists = [inner for name in _LISTS if isinstance(inner := schema.get(name), list)]
    found = [one for inner in maps for one in inner.values()]
    found += [one for inner in lists for one in inner]
    found += [schema.get(name) for name in _ONES]
    return [one for one in found if isinstance(one, Mapping)]


def _closed(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    new = {name: _closed_in(name, value) for name, value in schema.items()}
    if _names_all(new):
        new.setdefault("additionalProperties", False)
    return new


def _closed_in(keyword: str, value: Any) -> Any:
    if keyword in _MAPS and isinstance(value, Mapping):
        return {name: _closed(one) for name, one in value.items()}
    if keyword in _LISTS and isinstance(value, list):
        return [_closed(one) for one in value]
    return _closed(value) if keyword in _ONES else value


def _names_all(schema: Schema) -> bool:
    """Whether it names properties, and all that it requires."""
    named, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(named, Mapping) or not named or not isinstance(required, list):
        return False
    return all(isinstance(name, str) and name in named for name in required)
