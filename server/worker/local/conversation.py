"""From OpenAI's messages and tools to a conversation with functions and calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.wire.openai import ChatRequest
from server.wire.openai_messages import Message
from server.wire.openai_tools import FunctionDefinition, ToolChoice, chosen, demands
from server.worker.asked import Calls, Chat, JsonObject, JsonSchema, Turn
from server.worker.calls import Call, CallStyle, Function
from server.worker.local.response_format import text_form

_NO_ID = "function_call"
"""Of a call by its old name, which has none."""


def conversation(
    messages: Sequence[Message],
    offered: Sequence[FunctionDefinition] = (),
    field: str = "tools",
    variables: Mapping[str, object] | None = None,
) -> Chat:
    """`field`: where in the request the functions stand."""
    return Chat(tuple(map(_turn, messages)), _functions(offered, field), variables or {})


def chat_of(request: ChatRequest) -> Chat:
    """Who may call nothing is offered nothing."""
    return conversation(request.messages, _offered(request), _field(request), _variables(request))


def form_of(
    request: ChatRequest, style: CallStyle | None
) -> JsonObject | JsonSchema | Calls | None:
    """What the answer has to be. `style`: how the model writes calls, if it was offered any."""
    text = text_form(request)
    if style is None:
        return text
    offered = _functions(_offered(request), _field(request))
    names = chosen(request.choice, [function.name for function in offered])
    is_one = isinstance(request.choice, ToolChoice) or request.functions is not None
    return Calls(
        tuple(function for function in offered if function.name in names),
        style,
        demanded=demands(request.choice),
        many=request.parallel_tool_calls is not False and not is_one,
        text=text,
    )


def _variables(request: ChatRequest) -> dict[str, object]:
    """By the names that templates have for them."""
    effort = request.reasoning_effort
    if effort is None:
        told: dict[str, object] = {}
    elif effort == "none":
        told = {"enable_thinking": False, "thinking": False}
    else:
        told = {"reasoning_effort": effort, "enable_thinking": True, "thinking": True}
    return told | (request.chat_template_kwargs or {})


def _offered(request: ChatRequest) -> Sequence[FunctionDefinition]:
    return () if request.choice == "none" else request.offered


def _field(request: ChatRequest) -> str:
    return "tools" if request.functions is None else "functions"


def _functions(offered: Sequence[FunctionDefinition], field: str) -> tuple[Function, ...]:
    inner = ".function" if field == "tools" else ""
    return tuple(
        Function(
            one.name,
            one.description or "",
            one.parameters or {},
            strict=bool(one.strict),
            param=f"{field}[{at}]{inner}",
        )
        for at, one in enumerate(offered)
    )


def _turn(message: Message) -> Turn:
    calls = [
        Call(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
    ]
    if message.function_call is not None:
        calls.append(Call(_NO_ID, message.function_call.name, message.function_call.arguments))
    is_model = message.role == "assistant"
    return Turn(
        message.role,
        message.content,
        message.name,
        thought=(message.reasoning_content or "") if is_model else "",
        calls=tuple(calls) if is_model else (),
        call_id=_NO_ID if message.role == "function" else message.tool_call_id,
    )
