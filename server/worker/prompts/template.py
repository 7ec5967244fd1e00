"""A model's chat template, with what Hugging Face's may ask of their surroundings and no more.

https://huggingface.co/docs/transformers/chat_templating_writing
"""

from __future__ import annotations

import json
import time
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.ext import Extension
from jinja2.ext import loopcontrols as LoopControls
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


def compile_template(source: str) -> Template:
    """Whoever renders it can read no file and change nothing. Raises `TemplateError`."""
    room = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, LoopControls]
    )
    room.filters["tojson"] = _to_json
    room.globals["raise_exception"] = _refuse
    room.globals["strftime_now"] = time.strftime
    return room.from_string(source)


class _Generation(Extension):
    """`{% generation %}` marks, for a training, what the model says; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as the base class has it

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, **how: Any) -> str:
    """jinja's own writes `<`, `>` and `&` as escapes, for web pages."""
    return json.dumps(value, **{"ensure_ascii": False, **how})


def _refuse(message: str) -> None:
    raise TemplateError(message)
