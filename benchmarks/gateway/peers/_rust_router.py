"""The Rust routers on PyPI have one ancestor, and its command line."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gateway.peer import Place, Started, free_port
from benchmarks.gateway.ways import Limits

_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class RustRouter:
    requirements: tuple[str, ...]
    module: str
    quiet: str
    """The log level at which it says nothing about requests that went well."""
    limits: Limits = _LIMITS
    exact: bool = True

    def command(self, port: int, metrics_port: int, upstream: str) -> list[str]:
        """One worker and the policy that costs least."""
        return [
            *("-m", self.module),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics_port)),
            *("--worker-urls", upstream, "--policy", "round_robin"),
            *("--log-level", self.quiet),
        ]

    async def start(self, place: Place) -> Started:
        port = free_port()
        router = await place.run("router", self.command(port, free_port(), place.upstream))
        return Started(f"http://127.0.0.1:{port}", {"router": router})
