"""The app server: the chat's API, the fleet's report and the web UI, on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from server.app.catalogue import FleetCatalogue
from server.app.fleet.feed import FleetFeed
from server.app.fleet.orders import Orders
from server.app.fleet.watch import FleetWatch
from server.app.headers import HEADERS
from server.app.router import Routed
from server.app.routes.chat import ChatRoutes
from server.app.routes.conversations import ConversationRoutes
from server.app.routes.fleet import EVENTS, FleetRoutes
from server.app.routes.models import ModelRoutes
from server.app.streams import Streams
from server.app.web_files import FOLDER, no_web_files, web_files
from server.clients.fleet import ControllerClient
from server.clients.gateway import GatewayClient
from server.core.clock import Clock, SystemClock
from server.features.chat.chat import Chat, Parts
from server.store.conversations import Conversations
from server.store.database import Database
from server.store.messages import Messages
from server.web.asgi import ASGIApp
from server.web.background import kept_running
from server.web.drain import Drain
from server.web.edge import Edge, known_host
from server.web.lifespan import with_lifespan
from server.web.origins import Origins
from server.wire.process import AppProcess, Request


def create_app(
    settings: AppProcess,
    drain: Drain,
    say: Callable[[Request], None],
    *,
    clock: Clock | None = None,
    web_folder: Path = FOLDER,
) -> ASGIApp:
    """`say` hands an operator's order to the launcher."""
    clock = clock or SystemClock()
    gateway = GatewayClient(settings.gateway_url, settings.gateway_key, settings.secret)
    controller = _controller(settings)
    state_file = Path(settings.state_file) if settings.state_file else None
    watch = FleetWatch(gateway, controller, state_file, clock)
    feed = FleetFeed(watch, settings.expected_models, drain, clock)
    catalogue = FleetCatalogue(lambda: watch.known, settings.expected_models)
    streams = Streams(settings.chat.max_streams)
    served = Routed(web_files(web_folder) if settings.webui else no_web_files)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database = await Database.open(settings.database)
            stack.push_async_callback(database.aclose)
            stack.callback(gateway.close)
            if controller is not None:
                stack.push_async_callback(controller.aclose)
            conversations, messages = Conversations(database, clock), Messages(database, clock)
            chat = Chat(Parts(messages, conversations, gateway, catalogue), settings.chat)
            await stack.enter_async_context(chat.running())
            drain.cuts.add(chat.end_all)
            await watch.look()
            await stack.enter_async_context(kept_running(watch.run(), "watching the fleet"))
            await stack.enter_async_context(feed.ended_at_stop())
            served.open(
                *ChatRoutes(chat, streams).routes(),
                *ConversationRoutes(conversations, messages, chat, clock).routes(),
                *ModelRoutes(lambda: watch.known, settings.expected_models).routes(),
                *FleetRoutes(feed, Orders(watch, feed, controller, say), streams).routes(),
            )
            yield

    edge = Edge(
        served,
        drain,
        (known_host(settings.api),),
        origins=Origins(settings.api.allowed_origins),
        ready=feed.missing,
        uncounted=frozenset({EVENTS}),
        headers=HEADERS,
    )
    return with_lifespan(edge, lifespan)


def _controller(settings: AppProcess) -> ControllerClient | None:
    """None for an app server on its own, in front of some gateway."""
    if not settings.controller_url:
        return None
    return ControllerClient(settings.controller_url, settings.secret)
