"""One local model as a worker of the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from server.clients.fleet import ControllerClient
from server.core.clock import Clock, SystemClock
from server.core.ids import name_here
from server.core.settings import ServerSettings
from server.web.asgi import ASGIApp
from server.web.drain import Drain
from server.web.edge import Edge, known_host
from server.web.lifespan import with_lifespan
from server.web.table import Table
from server.wire.fleet import Registration
from server.wire.process import ModelWorkerProcess, Report
from server.worker.engine import Load, Say
from server.worker.engines import load_engine
from server.worker.heart import Heart
from server.worker.local.admission import fleet_or_fastchat
from server.worker.local.fastchat import PATHS, FastChatRoutes
from server.worker.local.fastchat_heart import FastChatHeart
from server.worker.local.loading import load_unless_stopped
from server.worker.local.model import Model
from server.worker.local.rerank import RerankRoute
from server.worker.local.routes import OpenAIRoutes
from server.worker.local.thinking import marks_of
from server.worker.local.tokenize import TokenizeRoute
from server.worker.standing import Standing


def create_app(
    settings: ModelWorkerProcess,
    drain: Drain,
    say: Say,
    address: str,
    *,
    load: Load = load_engine,
    clock: Clock | None = None,
) -> ASGIApp:
    """`address`: where others reach this worker."""
    model = Model(settings.model, drain, clock or SystemClock())
    openai = OpenAIRoutes(model)
    fastchat = FastChatRoutes(model)
    joined = settings.model.fastchat_controller
    standing = Standing(say)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        loading = partial(load, settings.model, say)
        model.engine = await load_unless_stopped(loading, drain.begun)
        controller = ControllerClient(settings.controller_url, settings.secret)
        async with AsyncExitStack() as stack:
            stack.callback(model.engine.close)
            model.engine.when_failed = _telling(say)
            model.marks = await marks_of(model.engine, settings.model)
            heart = Heart(
                controller,
                _registration(settings.name, model, address),
                model.load,
                standing=standing,
                draining=settings.draining,
            )
            model.slots.changed = heart.stir
            await stack.enter_async_context(heart.beating(drain.begun))
            if joined is not None:
                other = FastChatHeart(joined, address, fastchat.status)
                await stack.enter_async_context(other.beating(drain.begun))
            yield

    checks = (
        known_host(ServerSettings(host=settings.host, port=settings.port)),
        fleet_or_fastchat(settings.secret, PATHS, fastchat_open=joined is not None),
    )
    ours = (openai.routes(), TokenizeRoute(model).routes(), RerankRoute(model).routes())
    table = Table(*ours, fastchat.routes())
    edge = Edge(table, drain, checks, ready=lambda: standing.missing)
    return with_lifespan(edge, lifespan)


def _telling(say: Say) -> Callable[[str], None]:
    """Of a model that has failed, from whatever thread: the launcher ends this process and starts
    another one."""
    loop = asyncio.get_running_loop()

    def tell(why: str) -> None:
        loop.call_soon_threadsafe(say, Report(state="failed", detail=why))

    return tell


def _registration(name: str, model: Model, address: str) -> Registration:
    return Registration(
        address=address,
        name=name_here(name),
        models=model.settings.names,
        parents=dict.fromkeys(model.settings.adapters, model.name),
        abilities=model.engine.abilities,
        speed=model.settings.speed,
        slots=model.settings.slots,
        queue=model.settings.queue,
        context_length=model.engine.context_length,
    )
