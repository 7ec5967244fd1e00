"""An Anthropic request as OpenAI's clients would make it.

    chat_fields    of the request, with turns_of its messages
    turns_of       neighbours of one role are one turn; a turn becomes one message or several

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

import orjson

from server.gateway.dialects.anthropic.blocks import (
    Document,
    Encoded,
    Image,
    PlainText,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from server.gateway.dialects.anthropic.request import (
    CountRequest,
    MessagesRequest,
    OneTool,
    Tool,
    ToolChoice,
)

MAX_USER_CHARS: Final = 64
"""Of a user's name, at OpenAI."""
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}

Fields = dict[str, Any]


def chat_fields(asked: MessagesRequest) -> Fields:
    """`max_tokens` keeps its name; a provider that has another one for it gets that. A stream is
    asked for its usage, which Anthropic's clients always get."""
    fields = count_fields(asked) | {"max_tokens": asked.max_tokens}
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(asked, name)) is not None:
            fields[name] = value
    if asked.stop_sequences:
        fields["stop"] = asked.stop_sequences
    if asked.tools and asked.tool_choice is not None:
        fields |= _choice(asked.tool_choice)
    if asked.metadata is not None and asked.metadata.user_id:
        fields["user"] = _user(asked.metadata.user_id)
    if asked.output_config is not None and asked.output_config.format is not None:
        schema = asked.output_config.format.schema_
        wanted = {"name": "answer", "schema": schema, "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if asked.stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return fields


def count_fields(asked: CountRequest) -> Fields:
    """What goes into the prompt."""
    fields: Fields = {"model": asked.model, "messages": turns_of(asked)}
    if asked.tools:
        fields["tools"] = [_tool(tool) for tool in asked.tools]
    return fields


def turns_of(asked: CountRequest, made_of: list[int | None] | None = None) -> list[Fields]:
    """`made_of` is told which message each turn begins with; None: it is the system's."""
    turns: list[Fields] = []
    told = [] if made_of is None else made_of
    if asked.system:
        turns.append({"role": "system", "content": _joined(asked.system)})
        told.append(None)
    groups = [
        (role, [block for message in same for block in message.content])
        for role, same in groupby(asked.messages, key=lambda message: message.role)
    ]
    thinks_from = _last_question(groups)
    begins = _beginnings(asked)
    for place, (role, blocks) in enumerate(groups):
        if role == "system":
            turns.append({"role": "system", "content": _joined(_texts(blocks))})
        elif role == "assistant":
            turns.append(_said(blocks, with_thinking=place > thinks_from))
        else:
            turns += _asked(blocks)
        told += [begins[place]] * (len(turns) - len(told))
    return turns


def _beginnings(asked: CountRequest) -> list[int]:
    """Which message each group of one role begins with."""
    roles = [message.role for message in asked.messages]
    return [at for at, role in enumerate(roles) if at == 0 or role != roles[at - 1]]


def _last_question(groups: Sequence[tuple[str, Sequence[object]]]) -> int:
    """Where the last turn is that brings more than results of tools. What was thought before it is
    over: models that think are not shown it again, and some refuse it."""
    for place in range(len(groups) - 1, -1, -1):
        role, blocks = groups[place]
        if role == "user" and not all(isinstance(block, ToolResult) for block in blocks):
            return place
    return -1


def _said(blocks: Sequence[object], *, with_thinking: bool) -> Fields:
    """By the assistant; the texts of one turn were one text before they were cut into blocks."""
    text = "".join(block.text for block in _texts(blocks))
    calls = [_call(block) for block in blocks if isinstance(block, ToolUse)]
    message: Fields = {"role": "assistant", "content": None if calls and not text else text}
    if calls:
        message["tool_calls"] = calls
    thought = "".join(block.thinking for block in blocks if isinstance(block, Thinking))
    if with_thinking and thought:
        message["reasoning_content"] = thought
    return message


def _asked(blocks: Sequence[object]) -> Iterator[Fields]:
    """By the user. Results come first, right after the calls; their images follow as the user's
    own, for the message of a tool holds text alone."""
    parts: list[object] = []
    for block in blocks:
        if not isinstance(block, ToolResult):
            parts.append(block)
            continue
        text = _joined(_plain(block.content))
        if block.is_error:
            text = f"Error: {text}"
        yield {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}
        parts += [inner for inner in _flat(block.content) if not isinstance(inner, Text)]
    if parts:
        yield {"role": "user", "content": _content(parts)}


def _content(blocks: Iterable[object]) -> str | list[Fields]:
    """One string where there is only text: not every upstream understands parts."""
    flat = list(_flat(blocks))
    if all(isinstance(block, Text) for block in flat):
        return _joined(_texts(flat))
    return [_part(block) for block in flat]


def _flat(blocks: Iterable[object]) -> Iterator[object]:
    """Texts, images and encoded documents, in their order; documents of text are text."""
    for block in blocks:
        if not isinstance(block, Document) or isinstance(block.source, Encoded):
            yield block
            continue
        heads = "\n".join(head for head in (block.title, block.context) if head)
        if heads:
            yield Text(type="text", text=heads)
        if isinstance(block.source, PlainText):
            yield Text(type="text", text=block.source.data)
        else:
            yield from block.source.content


def _plain(blocks: Iterable[object]) -> list[Text]:
    return _texts(_flat(blocks))


def _texts(blocks: Iterable[object]) -> list[Text]:
    return [block for block in blocks if isinstance(block, Text)]


def _joined(texts: Iterable[Text]) -> str:
    """Blocks of what is asked are paragraphs, not pieces."""
    return "\n".join(text.text for text in texts)


def _part(block: object) -> Fields:
    if isinstance(block, Image):
        return {"type": "image_url", "image_url": {"url": block.source.url}}
    if isinstance(block, Document) and isinstance(block.source, Encoded):
        name = block.title or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": block.source.url}}
    assert isinstance(block, Text)
    return {"type": "text", "text": block.text}


def _call(block: ToolUse) -> Fields:
    arguments = orjson.dumps(block.input).decode()
    return {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": arguments},
    }


def _tool(tool: Tool) -> Fields:
    function: Fields = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice | OneTool) -> Fields:
    if isinstance(choice, OneTool):
        fields: Fields = {"tool_choice": {"type": "function", "function": {"name": choice.name}}}
    else:
        fields = {"tool_choice": _CHOICES[choice.type]}
    if choice.disable_parallel_tool_use:
        fields["parallel_tool_calls"] = False
    return fields


def _user(name: str) -> str:
    """Longer names, which whole sessions are written into, keep what they are for: the same one is
    always the same user."""
    return name if len(name) <= MAX_USER_CHARS else sha256(name.encode()).hexdigest()
