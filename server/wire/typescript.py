"""Writes `webui/src/api/wire.ts`: the types of `server/wire/browser.py` in the browser's words.

    python -m server.wire.typescript

What a browser sends may leave out every field that has a default; what it receives is always whole.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from server.wire import browser

FILE = Path(__file__).parents[2] / "webui/src/api/wire.ts"
_SENT: tuple[type[BaseModel], ...] = (
    browser.ChatRequest,
    browser.NewConversation,
    browser.ConversationChange,
    browser.SeedTurn,
    browser.GenerationSettings,
)
_PLAIN: dict[Any, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}


def write_types(module: ModuleType) -> str:
    """The whole text of the TypeScript file."""
    source = ast.parse(inspect.getsource(module))
    parts = [
        "// Made from server/wire/browser.py by `python -m server.wire.typescript`: "
        "change it there.\n",
        _comment(module.__doc__),
        *_constants(module, source),
        *_words(module, source),
        *(_interface(module, model) for model in _models(module)),
    ]
    return "\n".join(parts)


def _constants(module: ModuleType, source: ast.Module) -> Iterator[str]:
    for node in source.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            value = getattr(module, node.target.id)
            yield f"export const {node.target.id} = {_literal(value)}\n"


def _words(module: ModuleType, source: ast.Module) -> Iterator[str]:
    """Closed sets of words that have a name, with the docstring below them."""
    for node, follower in zip_longest(source.body, source.body[1:]):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = getattr(module, name)
            if get_origin(value) is Literal:
                doc = _docstring(follower)
                yield f"{_comment(doc)}export type {name} = {_type({}, value)}\n"


def _docstring(node: ast.stmt | None) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return inspect.cleandoc(str(node.value.value))
    return None


def _models(module: ModuleType) -> Iterator[type[BaseModel]]:
    """In the order in which they are written."""
    for value in vars(module).values():
        if inspect.isclass(value) and issubclass(value, BaseModel) and value.model_fields:
            yield value


def _interface(module: ModuleType, model: type[BaseModel]) -> str:
    names = {value: name for name, value in vars(module).items() if get_origin(value) is Literal}
    base = model.__bases__[0]
    inherited = base.model_fields if issubclass(base, BaseModel) else {}
    extends = f" extends {base.__name__}" if inherited else ""
    lines = [
        _field(names, name, field, model in _SENT)
        for name, field in model.model_fields.items()
        if name not in inherited
    ]
    return (
        f"{_comment(vars(model).get('__doc__'))}"
        f"export interface {model.__name__}{extends} {{\n{''.join(lines)}}}\n"
    )


def _field(names: dict[Any, str], name: str, field: FieldInfo, sent: bool) -> str:
    mark = "?" if sent and not field.is_required() else ""
    comment = _comment(field.description, "  ")
    return f"{comment}  {name}{mark}: {_type(names, field.annotation)}\n"


def _type(names: dict[Any, str], wanted: Any) -> str:
    """TypeScript's word for an annotation. Raises `TypeError` for one it has no word for."""
    origin, args = get_origin(wanted), get_args(wanted)
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if wanted in names:
        return names[wanted]
    if origin is Annotated:
        return _type(names, args[0])
    if origin is Literal:
        return " | ".join(_literal(value) for value in args)
    if origin in (Union, UnionType):
        return _union(names, args)
    if origin is tuple:
        item = _type(names, args[0])
        return f"({item})[]" if " " in item else f"{item}[]"
    if inspect.isclass(wanted) and issubclass(wanted, BaseModel):
        return wanted.__name__
    raise TypeError(f"no TypeScript for {wanted!r}")


def _union(names: dict[Any, str], args: tuple[Any, ...]) -> str:
    """`str | Literal[""]` is only a string."""
    words = dict.fromkeys(_type(names, arg) for arg in args)
    return " | ".join(w for w in words if not (w.startswith("'") and "string" in words))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return orjson.dumps(value).decode()


def _comment(text: str | None, indent: str = "") -> str:
    if not text:
        return ""
    lines = re.sub(r"\bNone\b", "null", inspect.cleandoc(text)).replace("*/", "*\\/").split("\n")
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(write_types(browser), encoding="utf-8")
