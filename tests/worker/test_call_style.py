from __future__ import annotations

from typing import Any

import pytest

from server.core.errors import BadRequest
from server.worker.asked import Chat
from server.worker.call_style import derive_calls
from server.worker.calls import CallStyle
from server.worker.prompts.messages import Write, with_objects, with_texts
from tests.fakes import templates
from tests.fakes.tiny_llama import tokenizer

MARKS = ["<|im_start|>", "<|im_end|>", "<|tools|>", "<|args|>"]
TAGS = CallStyle(
    '<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>",
    '}\n</tool_call>\n<tool_call>\n{"name": "',
)  # fmt: skip


def derived(template: str, write: Write) -> CallStyle | None:
    words: Any = tokenizer()

    def render(chat: Chat) -> str:
        messages, tools = write(chat)
        try:
            text: str = words.apply_chat_template(
                messages,
                tools=tools,
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as error:
            raise BadRequest(str(error)) from error
        return text

    return derive_calls(render, MARKS, ["<|im_end|>"])


@pytest.mark.parametrize(
    ("template", "style"),
    [
        (templates.TAGS, TAGS),
        (templates.THINKING,
         CallStyle(TAGS.begin, TAGS.middle, TAGS.end, '}\n</tool_call><tool_call>\n{"name": "')),
        (templates.JSON, CallStyle('{"name": "', '", "parameters": ', "}")),
        (templates.LIST,
         CallStyle('<|tools|>[{"name": "', '", "arguments": ', "}]", '}, {"name": "')),
        (templates.XML, None),
        (templates.NONE, None),
    ],
    ids=["tags", "thinking", "json", "list", "xml", "none"],
)  # fmt: skip
def test_the_template_shows_how_calls_are_written(template: str, style: CallStyle | None) -> None:
    assert derived(template, with_objects) == style


def test_arguments_may_have_to_be_text() -> None:
    assert derived(templates.TEXT, with_objects) is None
    style = CallStyle("<|tools|>", "<|args|>", "", "<|tools|>")
    assert derived(templates.TEXT, with_texts) == style


@pytest.mark.parametrize(
    ("begin", "trigger"),
    [
        ('<tool_call>\n{"name": "', "<tool_call>"),
        ('[CALLS] [{"name": "', "[CALLS]"),
        ("<|a|><|b|>functions.", "<|a|><|b|>functions."),
        ('{"name": "', ""),
    ],
)
def test_a_call_is_known_by_what_stands_before_its_json(begin: str, trigger: str) -> None:
    assert CallStyle(begin, "", "").trigger == trigger
