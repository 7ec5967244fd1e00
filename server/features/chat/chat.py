"""Questions and answers: what the app server's routes call.

ask      store the question, start its answer
events   follow an answer that is being made, or was made
whole    wait for all of it
stop     end it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.clients.gateway import GatewayClient
from server.core.context import check_chars
from server.core.errors import ModelNotFound, Overloaded, UpstreamFailed
from server.core.limits import RETRY_AFTER_S
from server.core.settings import ChatSettings
from server.features.chat.answers import Answering, Answers
from server.features.chat.catalogue import Catalogue, ChatModel
from server.features.chat.events import Event
from server.features.chat.generation import Generation
from server.features.chat.run import Run
from server.features.chat.titles import title_from
from server.features.chat.window import Turn
from server.store.conversations import Conversations
from server.store.messages import Asked, Messages, NewMessage
from server.wire.browser import (
    Answer,
    ChatRequest,
    Conversation,
    DoneFrame,
    ErrorFrame,
    GenerationSettings,
    LeftOut,
    Message,
    Problem,
)

RESTARTED = Problem(
    code="server_restarted", message="The server went down while this answer was being made."
)
NOT_WHOLE = Problem(code="interrupted", message="This answer is incomplete.")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the chat is made of."""

    messages: Messages
    conversations: Conversations
    gateway: GatewayClient
    catalogue: Catalogue


class Chat:
    def __init__(self, parts: Parts, settings: ChatSettings) -> None:
        self._messages = parts.messages
        self._conversations = parts.conversations
        self._gateway = parts.gateway
        self._catalogue = parts.catalogue
        self._settings = settings
        self._answers = Answers(
            parts.messages, grace_s=settings.grace_s, checkpoint_s=settings.checkpoint_s
        )
        self._asking: set[asyncio.Task[Run | Message]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve in the block. What a process that died left behind is marked as interrupted."""
        await self._messages.interrupt_running(RESTARTED)
        async with self._answers.running():
            yield

    def end_all(self) -> None:
        """The server must end now: every answer ends in an error event, and is stored."""
        self._answers.end_all()

    async def ask(
        self, owner: str, request: ChatRequest, *, key: str | None = None, fingerprint: str = ""
    ) -> Run:
        """Store the question and start its answer.

        With a `key` that was seen before, nothing is stored and the answer of then is given.
        """
        # Once the question is stored its answer must begin, even if the caller is gone by then.
        asking = asyncio.create_task(self._ask(owner, request, key, fingerprint))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        asked = await asyncio.shield(asking)
        return asked if isinstance(asked, Run) else await self.find(owner, asked.id)

    async def _ask(
        self, owner: str, request: ChatRequest, key: str | None, fingerprint: str
    ) -> Run | Message:
        """The answer that has begun, or the message that the same key made before."""
        if len(self._answers) >= self._settings.max_running:
            raise Overloaded(
                f"{len(self._answers)} answers are being made, and no more at once; try again "
                "shortly.",
                retry_after_s=RETRY_AFTER_S,
            )
        conversation = None
        if request.conversation_id:
            conversation = await self._conversations.get(owner, request.conversation_id)
        model = await self._resolve(request, conversation)
        settings = self._settled(request, conversation)
        chars = len(request.query) + len(settings.system or "")
        check_chars(model.context_length, chars, param="query")
        title = title_from(request.query)
        asked = await self._messages.ask(
            owner, NewMessage(request, model.name, settings, key, fingerprint, title)
        )
        if not asked.is_new:
            return asked.message
        return self._begin(owner, request, asked, model)

    def _begin(self, owner: str, request: ChatRequest, asked: Asked, model: ChatModel) -> Run:
        run = Run(asked.message)
        generation = Generation(
            run,
            model,
            self._gateway,
            past=lambda: self._past(owner, asked.message, request.history),
            recover_s=self._settings.recover_s,
        )
        self._answers.start(owner, run, generation, self._namer(owner, asked.conversation.id))
        return run

    async def _past(self, owner: str, message: Message, history: object) -> list[Turn]:
        """The turns before `message`, newest first, without those that have no answer."""
        limit = self._settings.window_turns
        if isinstance(history, int) and history >= 0:
            limit = min(limit, history)
        if message.parent_id is None or not limit:
            return []
        exchanges = await self._messages.memory(owner, message.id, limit)
        return [Turn(e.query, e.response) for e in exchanges if e.query and e.response]

    async def _resolve(self, request: ChatRequest, conversation: Conversation | None) -> ChatModel:
        if request.model:
            return await self._catalogue.resolve(request.model)
        for name in (conversation.model if conversation else "", self._settings.default_model):
            try:
                if name:
                    return await self._catalogue.resolve(name)
            except ModelNotFound:  # it was there once; any other will do
                continue
        return await self._catalogue.resolve("")

    def _settled(
        self, request: ChatRequest, conversation: Conversation | None
    ) -> GenerationSettings:
        """The request's own words, then the conversation's, then ours."""
        fields = GenerationSettings.model_fields
        own = {name: getattr(request, name) for name in fields}
        kept = conversation.settings.model_dump() if conversation else {}
        merged = kept | {name: value for name, value in own.items() if value not in (None, ())}
        if merged.get("system") is None and self._settings.system:
            merged["system"] = self._settings.system
        return GenerationSettings.model_validate(merged)

    def _namer(self, owner: str, conversation_id: str) -> Callable[[], Awaitable[str]]:
        """Somebody may give it another name while it is being answered."""

        async def name() -> str:
            return (await self._conversations.get(owner, conversation_id)).name

        return name

    async def find(self, owner: str, message_id: str) -> Run:
        """An answer that is being made, or one that was. Raises `NotFound`."""
        found = await self._look_up(owner, message_id)
        if isinstance(found, Answering):
            return found.run
        conversation = await self._conversations.get(owner, found.conversation_id)
        return _as_run(found, conversation.name)

    async def _look_up(self, owner: str, message_id: str) -> Answering | Message:
        answering = self._answers.find(owner, message_id)
        if answering is not None:
            return answering
        message = await self._messages.get(owner, message_id)
        if message.status != "running":
            return message
        if self._asking:  # stored just now, and about to begin
            await asyncio.wait(set(self._asking))
        return self._answers.find(owner, message_id) or await self._messages.get(owner, message_id)

    def events(self, run: Run, after: int = 0) -> AsyncGenerator[Event]:
        """From character `after` of the answer on; ends after `done` or `error`."""
        return run.events(after)

    async def whole(self, run: Run) -> Answer:
        """Wait for all of it. Raises the `RequestError` that ended it early."""
        end = await run.ended()
        if isinstance(end, ErrorFrame):
            raise run.failure or UpstreamFailed(end.message, code=end.code)
        return Answer(**end.model_dump(), text=run.text)

    async def stop(self, owner: str, message_id: str) -> Message:
        """End an answer and keep what there is of it; one that has ended stays as it is."""
        found = await self._look_up(owner, message_id)
        if isinstance(found, Message):
            return found
        found.end_because("stopped")
        await found.run.ended()
        return await self._messages.get(owner, message_id)

    async def cancel_conversation(self, owner: str, conversation_id: str) -> None:
        """End the answers of a conversation that is about to be deleted."""
        for answering in self._answers.of_conversation(owner, conversation_id):
            answering.end_because("stopped")
            await answering.run.ended()


def _as_run(message: Message, conversation_name: str) -> Run:
    """A stored answer, to be followed like one that is being made."""
    run = Run(message, is_new=False)
    run.write(message.response)
    if message.status in ("complete", "stopped"):
        run.close(
            DoneFrame(
                message_id=message.id,
                conversation_id=message.conversation_id,
                conversation_name=conversation_name,
                usage=message.usage,
                finish_reason=message.finish_reason or "stop",
                left_out=message.left_out or LeftOut(),
                first_token_s=message.first_token_s,
                duration_s=message.duration_s,
            )
        )
        return run
    problem = message.error or NOT_WHOLE
    run.close(ErrorFrame(message_id=message.id, code=problem.code, message=problem.message))
    return run
