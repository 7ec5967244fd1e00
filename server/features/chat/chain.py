"""The LangChain chain of one answer: memory, prompt, model.

    memory    the stored turns that fit the model's context        Memory
    prompt    system text, those turns, the question               PROMPT
    model     the gateway's public API                             GatewayModel

What people write reaches the prompt as values and never as a template, so braces in it are text.
The prompt is made once for an answer; the model may have to be asked again with the same one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from server.clients.gateway import GatewayClient
from server.core.errors import TransportError
from server.features.chat.model import GatewayModel, as_openai
from server.features.chat.window import Turn, Window, budget_for, fit
from server.wire.browser import GenerationSettings, LeftOut

PROMPT = ChatPromptTemplate.from_messages(
    [MessagesPlaceholder("system"), MessagesPlaceholder("past"), MessagesPlaceholder("question")]
)


class Memory:
    """What the model remembers: a window over the stored turns."""

    def __init__(self, past: Sequence[Turn], model: GatewayModel, budget: int | None) -> None:
        """past: newest first."""
        self._past = past
        self._model = model
        self._budget = budget
        self.window = Window(len(past), LeftOut())

    async def recall(self, said: dict[str, Any]) -> list[BaseMessage]:
        """The turns that fit beside the system text and the question, oldest first."""

        async def count(kept: int) -> int | None:
            prompt = [*said["system"], *_messages(self._past[:kept]), *said["question"]]
            try:
                return await self._model.gateway.count_tokens(self._model.model, as_openai(prompt))
            except TransportError:
                return None  # the gateway is away; the answer itself will wait for it

        fixed = [message.text for message in (*said["system"], *said["question"])]
        self.window = await fit(self._past, fixed, self._budget, count)
        return _messages(self._past[: self.window.kept])

    def shrink(self) -> bool:
        """Forget the older half, as it did not fit after all. False: there is nothing to forget."""
        kept = self.window.kept // 2
        if not self.window.kept:
            return False
        self._past = self._past[:kept]
        return True


class Chain:
    def __init__(
        self,
        gateway: GatewayClient,
        model: str,
        settings: GenerationSettings,
        past: Sequence[Turn],
        context_length: int | None,
    ) -> None:
        self._settings = settings
        self._model = GatewayModel(gateway=gateway, model=model, options=_options(settings))
        self._turns = len(past)
        self._memory = Memory(past, self._model, budget_for(context_length, settings.max_tokens))
        self._prompt: Runnable[dict[str, Any], PromptValue] = (
            RunnablePassthrough.assign(past=RunnableLambda(self._memory.recall)) | PROMPT
        )

    @property
    def left_out(self) -> LeftOut:
        window = self._memory.window
        return window.left_out.model_copy(update={"turns": self._turns - window.kept})

    async def prompt(self, query: str) -> PromptValue:
        system = self._settings.system
        said = {
            "system": [SystemMessage(system)] if system else [],
            "question": [HumanMessage(query)],
        }
        return await self._prompt.ainvoke(said)

    def shrink(self) -> bool:
        return self._memory.shrink()

    async def stream(self, prompt: PromptValue, request_id: str) -> AsyncGenerator[AIMessageChunk]:
        """The answer to `prompt`. Closing it cancels the model."""
        stop = list(self._settings.stop) or None
        async with aclosing(
            self._model.astream(prompt, stop=stop, request_id=request_id)  # type: ignore[type-var]
        ) as chunks:
            async for chunk in chunks:
                yield chunk


def _messages(newest_first: Sequence[Turn]) -> list[BaseMessage]:
    messages: list[BaseMessage] = []
    for turn in reversed(newest_first):
        if turn.query:
            messages.append(HumanMessage(turn.query))
        if turn.response:
            messages.append(AIMessage(turn.response))
    return messages


def _options(settings: GenerationSettings) -> dict[str, Any]:
    """What is set, in OpenAI's words."""
    return settings.model_dump(exclude={"system", "stop"}, exclude_none=True)
