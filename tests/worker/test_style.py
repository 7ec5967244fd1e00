"""What FastChat's API server would send is what the model's own template makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from fastchat.conversation import Conversation, SeparatorStyle
from jinja2 import Environment

from server.core.errors import BadRequest
from server.worker.asked import Turn
from server.worker.engine import Style
from server.worker.style import derive_style

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.text | trim }}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
WITH_DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are kind.<|im_end|>\n{% endif %}"
    + CHATML
)
SYSTEM_IN_FIRST = (
    "{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' %}{% set ns.system = '<<SYS>>\n' + m.text + '\n<</SYS>>\n\n' %}"
    "{% elif m.role == 'user' %}<s>[INST] {{ ns.system }}{{ m.text }} [/INST]"
    "{% set ns.system = '' %}"
    "{% else %}{{ m.text }} </s>{% endif %}{% endfor %}"
)
UNEVEN = "{% for m in messages %}{{ m.role }} {{ m.text }}\n{% endfor %}assistant:"
BRACES = "{% for m in messages %}{ {{ m.role }}: {{ m.text }}}{% endfor %}{ assistant: "
TEMPLATES = {
    "chatml": CHATML,
    "default system": WITH_DEFAULT_SYSTEM,
    "system in first": SYSTEM_IN_FIRST,
    "braces": BRACES,
}

TALKS = [
    [Turn("user", "hi")],
    [Turn("system", "Be brief."), Turn("user", "hi")],
    [Turn("user", "hi"), Turn("assistant", "ho"), Turn("user", "你好")],
    [Turn("system", "S"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")],
]


def renderer(template: str) -> Callable[[Sequence[Turn]], str]:
    compiled = Environment().from_string(template)
    return lambda turns: compiled.render(messages=turns)


def as_fastchat(style: Style, turns: Sequence[Turn]) -> str:
    """The prompt that FastChat's `get_gen_params` builds, as the worker reads it."""
    fields = dict(style.fields)
    fields["sep_style"] = SeparatorStyle(fields["sep_style"])
    conversation = Conversation(**fields)
    conversation.messages = []
    for turn in turns:
        if turn.role == "system":
            conversation.set_system_message(turn.text)
        else:
            conversation.append_message(conversation.roles[turn.role == "assistant"], turn.text)
    conversation.append_message(conversation.roles[1], None)
    return style.without_empty_system(conversation.get_prompt())


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: "-".join(turn.role for turn in talk))
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_fastchat_builds_the_prompt_of_the_template(template: str, talk: list[Turn]) -> None:
    render = renderer(template)
    style = derive_style(render, [2])
    assert style is not None
    assert as_fastchat(style, talk) == render(talk)


def test_a_template_without_system_messages_has_a_style() -> None:
    render = renderer(CHATML)

    def strict(turns: Sequence[Turn]) -> str:
        if any(turn.role == "system" for turn in turns):
            raise BadRequest("no system role")
        return "<bos>" + render(turns)

    style = derive_style(strict, [])
    assert style is not None
    assert as_fastchat(style, TALKS[2]) == strict(TALKS[2])


def test_a_template_that_swallows_messages_has_none() -> None:
    assert derive_style(lambda turns: turns[-1].text, []) is None


def test_a_template_that_begins_answers_unevenly_has_none() -> None:
    assert derive_style(renderer(UNEVEN), []) is None
