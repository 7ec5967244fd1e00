"""A first start that has failed: why, and whether there is any sense in going on."""

from __future__ import annotations

from collections.abc import Sequence

from server.launcher.running.keeper import Keeper
from server.launcher.running.logs import tail


def hopeless(keepers: Sequence[Keeper]) -> bool:
    """No local model has come up or may still do so, and there is nothing else to serve."""
    if any(keeper.plan.role == "online_api" for keeper in keepers):
        return False
    local = [keeper for keeper in keepers if keeper.plan.role == "model_worker"]
    aside = any(keeper.held or keeper.dozes for keeper in local)
    return not aside and all(k.first.done() and not k.first.result() for k in local)


def why(keeper: Keeper) -> str:
    lines = [f"{keeper.plan.name} did not start: {keeper.state.detail}."]
    if last := tail(keeper.log):
        lines += [f"The end of its log ({keeper.log}):", *(f"    {line}" for line in last)]
    return "\n".join(lines)
