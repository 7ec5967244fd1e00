"""FastChat's controller and API server; the upstream speaks its workers' protocol too.

https://github.com/lm-sys/FastChat
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter

import httpx

from benchmarks.gateway.fastchat import STATUS
from benchmarks.gateway.peer import Peer, Place, Started, free_port
from benchmarks.gateway.process import ROOT, ProcessError
from benchmarks.gateway.ways import Limits

START_S = 60.0
_LOOK_S = 0.05
ENVIRONMENT = {"LOGDIR": "", "PYTHONPATH": str(ROOT)}
"""LOGDIR: no log files in the working directory. PYTHONPATH: for the repaired API server."""

_LIMITS = Limits(most_clients=64, stall_s=30.0, warm=1)


@dataclass(frozen=True, slots=True)
class FastChat:
    requirements: tuple[str, ...] = ("fschat==0.2.36",)
    limits: Limits = _LIMITS
    exact: bool = False

    def controller_command(self, port: int) -> list[str]:
        return ["-m", "fastchat.serve.controller", "--host", "127.0.0.1", "--port", str(port)]

    def api_command(self, controller: str, port: int) -> list[str]:
        """With its one repair for pydantic 2, without which it cannot stream."""
        return ["-m", "tests.fakes.fastchat_api", controller, str(port)]

    async def start(self, place: Place) -> Started:
        port, api_port = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        controller = await place.run("controller", self.controller_command(port), ENVIRONMENT)
        await join(url, place.upstream)
        api = await place.run("api", self.api_command(url, api_port), ENVIRONMENT)
        return Started(f"http://127.0.0.1:{api_port}", {"api": api, "controller": controller})


async def join(controller: str, worker: str) -> None:
    """Make `worker` known, for as long as the controller lives. Raises `ProcessError`."""
    registration = {
        "worker_name": worker,
        "check_heart_beat": False,
        "worker_status": STATUS,
        "multimodal": False,
    }
    begun_s = perf_counter()
    async with httpx.AsyncClient(trust_env=False) as http:
        while perf_counter() - begun_s < START_S:
            try:
                answer = await http.post(f"{controller}/register_worker", json=registration)
                answer.raise_for_status()
                return
            except httpx.HTTPError:
                await asyncio.sleep(_LOOK_S)
    raise ProcessError("FastChat's controller takes no worker")


PEER: Peer = FastChat()
