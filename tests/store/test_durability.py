from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from server.store.database import Database
from server.wire.browser import Problem
from tests.store.conftest import ANN, Store, sqlite_url


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "store.db")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.acknowledging", url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            said = [await process.stdout.readline() for _ in range(20)]
    finally:
        process.kill()
    said += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    store = Store(await Database.open(url))
    acknowledged = [line.decode().strip() for line in said if line.endswith(b"\n")]
    assert len(acknowledged) >= 20
    for id in acknowledged:
        message = await store.messages.get(ANN, id)
        assert (message.query, message.response) == ("kept", "half an answer")
    problem = Problem(code="restarted", message="The server was restarted.")
    assert await store.messages.interrupt_running(problem) >= len(acknowledged)
    await store.database.aclose()
