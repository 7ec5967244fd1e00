"""The LiteLLM proxy: https://docs.litellm.ai/docs/simple_proxy

One worker process with one key, no database, no telemetry, no logs of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.peer import Peer, Place, Started, free_port
from benchmarks.gateway.ways import Limits
from server.core.ids import new_secret

# What it would otherwise fetch from other hosts.
_LOCAL = ("MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "BLOG_POSTS", "POLICY_TEMPLATES")
ENVIRONMENT = {
    **{f"LITELLM_LOCAL_{name}": "True" for name in _LOCAL},
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
}

_LIMITS = Limits(most_clients=64, stall_s=30.0, warm=1)


@dataclass(frozen=True, slots=True)
class LiteLLM:
    # Later ones want a certifi that is newer than what some package indexes have.
    requirements: tuple[str, ...] = ("litellm[proxy]==1.105.0",)
    limits: Limits = _LIMITS
    exact: bool = False

    def config(self, upstream: str, key: str) -> str:
        parameters = {"model": f"openai/{MODEL}", "api_base": f"{upstream}/v1", "api_key": "none"}
        return yaml.safe_dump(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
                "litellm_settings": {"telemetry": False, "set_verbose": False},
                "general_settings": {"master_key": key},  # without one it does not start
            }
        )

    def command(self, config: str, port: int) -> list[str]:
        code = "from litellm import run_server; run_server()"
        return [
            *("-c", code, "--config", config, "--host", "127.0.0.1", "--port", str(port)),
            *("--num_workers", "1", "--telemetry", "False"),
        ]

    async def start(self, place: Place) -> Started:
        config = place.logs / "config.yaml"
        key = f"sk-{new_secret()}"
        config.write_text(self.config(place.upstream, key))
        port = free_port()
        proxy = await place.run("proxy", self.command(str(config), port), ENVIRONMENT)
        return Started(f"http://127.0.0.1:{port}", {"proxy": proxy}, key)


PEER: Peer = LiteLLM()
