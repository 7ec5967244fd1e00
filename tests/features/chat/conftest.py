from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.clients.gateway import GatewayClient
from server.core.clock import SystemClock
from server.core.errors import ModelNotFound
from server.core.settings import ChatSettings
from server.features.chat.catalogue import ChatModel
from server.features.chat.chat import Chat, Parts
from server.store.conversations import Conversations
from server.store.database import Database
from server.store.messages import Messages
from tests.fakes.upstream import Script, Upstream, upstream
from tests.features.chat.gateway import gateway_script

FAST = ChatSettings(grace_s=5, recover_s=5, checkpoint_s=0.02)
ECHO = ChatModel("echo", repeats=True)


class Models:
    """A catalogue of what it was given."""

    def __init__(self, *models: ChatModel) -> None:
        self._models = {model.name: model for model in models}

    async def resolve(self, name: str) -> ChatModel:
        found = self._models.get(name) if name else next(iter(self._models.values()), None)
        if found is None:
            raise ModelNotFound(f"no {name!r}")
        return found


@dataclass
class World:
    """A chat over a real store and a scripted gateway."""

    chat: Chat
    gateway: Upstream
    messages: Messages
    conversations: Conversations
    database: Database


Make = Callable[..., Awaitable[World]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes the world; what it is made of ends with the test."""
    async with AsyncExitStack() as stack:
        count = 0

        async def make(
            *chats: Script,
            settings: ChatSettings = FAST,
            model: ChatModel = ECHO,
            counting: Callable[[list[dict[str, str]]], int] | None = None,
        ) -> World:
            nonlocal count
            count += 1
            url = f"sqlite+aiosqlite:///{tmp_path}/{count}.db"
            return await stack.enter_async_context(
                _world(url, gateway_script(chats, counting), settings, model)
            )

        yield make


@asynccontextmanager
async def _world(
    url: str, script: Script, settings: ChatSettings, model: ChatModel
) -> AsyncIterator[World]:
    async with upstream(script) as fake:
        database = await Database.open(url)
        gateway = GatewayClient(fake.url, None, SecretStr("s"))
        clock = SystemClock()
        messages, conversations = Messages(database, clock), Conversations(database, clock)
        chat = Chat(Parts(messages, conversations, gateway, Models(model)), settings)
        try:
            async with chat.running():
                yield World(chat, fake, messages, conversations, database)
        finally:
            gateway.close()
            await database.aclose()
