"""SGLang's router, in Rust: https://pypi.org/project/sglang-router/"""

from __future__ import annotations

from benchmarks.gateway.peer import Peer
from benchmarks.gateway.peers._rust_router import RustRouter

PEER: Peer = RustRouter(
    requirements=("sglang-router==0.3.2",),
    module="sglang_router.launch_router",
    quiet="warn",
)
