"""A process that stores questions and answers, and says each one's id when it is stored."""

from __future__ import annotations

import asyncio
import sys

from server.core.clock import SystemClock
from server.store.database import Database
from server.store.messages import Messages
from tests.store.conftest import ANN, question


async def main(url: str) -> None:
    messages = Messages(await Database.open(url), SystemClock())
    while True:
        asked = await messages.ask(ANN, question("kept"))
        await messages.save({asked.message.id: "half an answer"})
        sys.stdout.write(asked.message.id + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
