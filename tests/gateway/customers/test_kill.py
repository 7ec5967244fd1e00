"""Real processes, killed while they spend."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from server.gateway.customers.pool import PORTIONS_PER_DAY
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.gateway.customers.spending import MOST, TASKS

LIMIT = 32_000_000
KILLS = 4
WASTE = 3 * LIMIT // PORTIONS_PER_DAY + 2 * TASKS * MOST
"""What a process that is killed was granted and has not used, at most."""


class Spender:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._begun = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.spent = 0
        self.stopped = False

    @classmethod
    async def start(cls, file: Path, key_id: str, begun: float) -> Spender:
        argv = ("-m", "tests.gateway.customers.spending", str(file), key_id, str(begun))
        return cls(await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=PIPE))

    async def kill(self, after_s: float) -> None:
        await self._begun.wait()
        await asyncio.sleep(after_s)
        if self._process.returncode is None:
            self._process.kill()
        await self.end()

    async def end(self) -> None:
        await self._reading
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._begun.set()
            if line == b"stopped\n":
                self.stopped = True
            else:
                self.spent += int(line)


@pytest.mark.slow
async def test_processes_that_are_killed_overdraw_nothing_and_waste_little(file: Path) -> None:
    ledger = Ledger.open(file)
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=LIMIT), 1.0)
    begun = time.monotonic()
    async with asyncio.timeout(60):
        survivor, *killed = [await Spender.start(file, key.id, begun) for _ in range(1 + KILLS)]
        for number, spender in enumerate(killed):
            await spender.kill(after_s=0.05 * number)
        await survivor.end()
    spent = [spender.spent for spender in (survivor, *killed)]
    assert survivor.stopped
    assert not all(spender.stopped for spender in killed)
    assert all(spent)
    assert LIMIT - KILLS * WASTE - MOST <= sum(spent) <= LIMIT
    told = sum(usage.prompt_tokens for usage in ledger.usage(0))
    assert survivor.spent <= told <= sum(spent)
    ledger.close()
