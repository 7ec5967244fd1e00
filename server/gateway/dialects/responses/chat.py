"""A wish and its items as the chat that a model is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from server.gateway.dialects.responses.compacting import COMPACTION, summary_message
from server.gateway.dialects.responses.tools import chat_choice
from server.gateway.dialects.responses.wish import Wish
from server.gateway.dialects.values import Json
from server.wire.openai_refusals import bad

_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "safety_identifier",
    "prompt_cache_key",
)
"""Fields that chats have too."""


def chat_of(wish: Wish, choice: Any, items: Sequence[Json], *, stream: bool) -> Json:
    """The body of a chat. `choice`: the `tool_choice`, checked; `items`: all that was said, of
    earlier responses too.

    What was not asked for is not there: not every model knows every field. Raises `BadRequest` for
    calls and outputs that do not belong together.
    """
    fields: Json = {"model": wish.model, "messages": messages_of(wish.instructions, items)}
    asked = {name: getattr(wish, name) for name in _AS_THEY_ARE} | {
        "max_completion_tokens": wish.max_output_tokens,
        "service_tier": None if wish.service_tier == "auto" else wish.service_tier,
        "reasoning_effort": wish.reasoning.effort if wish.reasoning else None,
        "verbosity": wish.text.verbosity if wish.text else None,
    }
    fields |= {name: value for name, value in asked.items() if value is not None}
    if wish.wants_logprobs:
        fields["logprobs"] = True
        fields["top_logprobs"] = wish.top_logprobs or 0
    _add_format(fields, wish)
    _add_tools(fields, wish, choice)
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return fields


def messages_of(
    instructions: str | None, items: Sequence[Json], made_of: list[list[int]] | None = None
) -> list[Json]:
    """Calls that follow one another, or a message of the model, are one message in a chat.

    What the model thought goes back to it until the user asks something new. `made_of` is told
    the items of each message; the instructions are none.
    """
    _check_outputs(items)
    messages: list[Json] = []
    if instructions:
        messages.append({"role": "system", "content": instructions})
    asked = _last_question(items)
    thought = ""
    for at, item in enumerate(items):
        if item["type"] == "reasoning":
            thought = _thought(item) if at > asked else ""
            continue
        _ADD[item["type"]](messages, item)
        if made_of is not None:
            made_of += [[] for _ in range(len(messages) - len(made_of))]
            made_of[-1].append(at)
        if thought and messages[-1]["role"] == "assistant":
            messages[-1]["reasoning_content"], thought = thought, ""
    if not messages:
        raise bad("input", "nothing in it was said")
    return messages


def _check_outputs(items: Sequence[Json]) -> None:
    called: set[str] = set()
    for item in items:
        if item["type"] == "function_call":
            called.add(item["call_id"])
        elif item["type"] == "function_call_output" and item["call_id"] not in called:
            id = item["call_id"][:80]
            raise bad("input", f"no tool call found for function call output with call_id {id}")


def _last_question(items: Sequence[Json]) -> int:
    """Its place; -1: the user has asked nothing."""
    places = (at for at, item in enumerate(items) if item.get("role") == "user")
    return max(places, default=-1)


def _thought(item: Json) -> str:
    return "".join(part["text"] for part in item.get("content") or item["summary"])


def _add_message(messages: list[Json], item: Json) -> None:
    role, content = item["role"], item["content"]
    if role == "assistant":
        texts = [part.get("text") or part.get("refusal") or "" for part in content]
        messages.append({"role": role, "content": "".join(texts)})
    else:  # not every model has heard of developers, and OpenAI's take one for the other
        role = "user" if role == "user" else "system"
        messages.append({"role": role, "content": _parts(content)})


def _add_call(messages: list[Json], item: Json) -> None:
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    function = {"name": item["name"], "arguments": item["arguments"]}
    calls = messages[-1].setdefault("tool_calls", [])
    calls.append({"id": item["call_id"], "type": "function", "function": function})


def _add_output(messages: list[Json], item: Json) -> None:
    output = item["output"]
    content = output if isinstance(output, str) else _parts(output)
    messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})


def _add_summary(messages: list[Json], item: Json) -> None:
    messages.append(summary_message(item))


def _parts(content: list[Json]) -> str | list[Json]:
    """Text alone stays text: every model reads that."""
    if len(content) == 1 and content[0]["type"] == "input_text":
        text: str = content[0]["text"]
        return text
    return [_part(part) for part in content]


def _part(part: Json) -> Json:
    kind = part["type"]
    if kind == "input_text":
        return {"type": "text", "text": part["text"]}
    if kind == "input_image":
        image = {"url": part["image_url"], "detail": part["detail"]}
        return {"type": "image_url", "image_url": image}
    file = {name: part[name] for name in ("file_data", "filename") if part[name] is not None}
    return {"type": "file", "file": file}


def _add_format(fields: Json, wish: Wish) -> None:
    wanted = wish.format
    if wanted.type == "json_object":
        fields["response_format"] = {"type": "json_object"}
    elif wanted.type == "json_schema":
        schema = wanted.model_dump(exclude={"type"}, exclude_none=True, by_alias=True)
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_tools(fields: Json, wish: Wish, choice: Any) -> None:
    if not wish.tools:
        return
    fields["tools"] = [tool.chat() for tool in wish.tools]
    if wish.tool_choice is not None:
        fields["tool_choice"] = chat_choice(choice)
    if wish.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = wish.parallel_tool_calls


_ADD: Final[dict[str, Callable[[list[Json], Json], None]]] = {
    "message": _add_message,
    "function_call": _add_call,
    "function_call_output": _add_output,
    COMPACTION: _add_summary,
}
