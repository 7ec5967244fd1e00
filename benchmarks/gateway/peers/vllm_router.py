"""vLLM's router, in Rust: https://pypi.org/project/vllm-router/"""

from __future__ import annotations

from benchmarks.gateway.peer import Peer
from benchmarks.gateway.peers._rust_router import RustRouter

PEER: Peer = RustRouter(
    requirements=("vllm-router==0.1.17",),
    module="vllm_router.launch_router",
    quiet="warning",
)
