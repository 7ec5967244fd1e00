"""Chat templates that write calls in the ways that models do, as small as can be."""

from __future__ import annotations

_TALK = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "%s<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n%s{% endif %}"
)
_TOOLS = "{% for t in tools or [] %}TOOL {{ t | tojson }}\n{% endfor %}"


def _template(calls: str, opening: str = "") -> str:
    return _TOOLS + _TALK.replace("%s", calls, 1).replace("%s", opening, 1)


TAGS = _template(
    "{% for c in m.tool_calls or [] %}{{ '\n' if m.content or not loop.first }}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n'
    "</tool_call>{% endfor %}"
)
"""As Qwen and Hermes."""
THINKING = _template(
    "{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n'
    "</tool_call>{% endfor %}{% endif %}",
    opening="<think>\n",
)
"""As QwQ: the prompt has the mark of a thought that the conversation has not."""
JSON = _template(
    "{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}"
    '{"name": "{{ m.tool_calls[0].function.name }}", '
    '"parameters": {{ m.tool_calls[0].function.arguments | tojson }}}{% endif %}'
)
"""As Llama 3: one call, which is all of the answer."""
LIST = _template(
    "{% if m.tool_calls %}<|tools|>[{% for c in m.tool_calls %}"
    "{{ ', ' if not loop.first }}"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, '
    '"id": "{{ c.id }}"}{% endfor %}]{% endif %}'
)
"""As Mistral: a list with ids behind a special token."""
TEXT = _template(
    "{% for c in m.tool_calls or [] %}<|tools|>{{ c.function.name }}<|args|>"
    "{{ '' + c.function.arguments }}{% endfor %}"
)
"""Arguments as text, between special tokens."""
XML = _template(
    "{% for c in m.tool_calls or [] %}<f={{ c.function.name }}>"
    "{% for k, v in c.function.arguments.items() %}<p={{ k }}>{{ v }}</p>{% endfor %}</f>"
    "{% endfor %}"
)
"""No JSON: no style can say it."""
NONE = _TALK.replace("%s", "")
"""Knows nothing of tools."""
