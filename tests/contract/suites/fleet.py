"""What the suites of others are run against: one gateway, and all that can be behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.core.settings import ModelSettings
from tests.fakes.able_engine import AbleEngine
from tests.fakes.able_model import able_model
from tests.fakes.upstream import upstream
from tests.fakes.worker import local_worker
from tests.gateway.conftest import SECRET, view
from tests.gateway.dialects.responses.conftest import responding
from tests.worker.online.test_relay import worker_of

MINI = ModelSettings(name="mini", path="bundled:shortline-mini", threads=1, context_length=640)
ABLE = ModelSettings(name="able", path="none")
VECTORS = ModelSettings(name="minilm", path="bundled:all-MiniLM-L6-v2", engine="embeddings")


@asynccontextmanager
async def fleet() -> AsyncIterator[str]:
    """Where its API is. Its models: `mini` and `minilm`, which are bundled, `echo`, `able` on an
    engine that can do what it is asked, and a provider's `ours`, which can as well."""
    async with (
        local_worker(secret=SECRET) as echo,
        local_worker(MINI, secret=SECRET) as mini,
        local_worker(VECTORS, secret=SECRET) as vectors,
        local_worker(ABLE, load=lambda *_: AbleEngine(), secret=SECRET) as able,
        upstream(able_model) as fake,
        worker_of(fake, slots=32) as online,
        responding(
            view(echo.url, models=("echo",)),
            view(mini.url, models=("mini",)),
            view(vectors.url, models=("minilm",)),
            view(able.url, models=("able",)),
            view(str(online.base_url), models=("ours",), kind="online_worker", slots=32),
        ) as served,
    ):
        yield f"{served.url}/v1"
