"""The words that say that Shortline is up, and what of it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.launcher.running.keeper import Keeper
from server.launcher.setup.home import Home
from server.launcher.setup.providers import Provider
from server.wire.process import AppProcess


def ready_block(
    keepers: Sequence[Keeper],
    providers: Sequence[Provider],
    home: Home,
    *,
    joined: str,
    stop: str,
    doctor: str,
    start: Callable[[str], str],
) -> str:
    """`joined`: address of a controller that is not ours; the others: what to type, `start` for a
    worker."""
    asleep = [keeper for keeper in keepers if keeper.dozes and not keeper.held]
    up = ("ready", "asleep")
    down = [keeper for keeper in keepers if keeper.state.status not in up and not keeper.held]
    aside = [keeper for keeper in keepers if keeper.held or keeper.plan.drains]
    absent = [k.state.missing for k in keepers if k not in down and k.state.missing]
    rows = [*_addresses(keepers, joined), ("Models", _models(keepers))]
    rows += [("Asleep", f"{keeper.state.name}: {keeper.dozes}") for keeper in asleep]
    rows += [("Not running", _why_down(keeper)) for keeper in down]
    rows += [("Set aside", _why_aside(keeper, start)) for keeper in aside]
    rows += [("Not there yet", f"{provider}; it is asked again") for provider in absent]
    if off := [provider.settings.name for provider in providers if not provider.is_on]:
        rows.append(("Providers off", f"{', '.join(off)}; `{doctor}` says why"))
    rows += [
        ("Settings", str(home.configs)),
        ("Logs", str(home.logs)),
        ("Stop", f"Ctrl-C, or `{stop}`"),
    ]
    title = "Shortline is ready in part." if down or aside or absent else "Shortline is ready."
    return "\n".join(["", title, "", *(f"  {name:<14}{text}" for name, text in rows), ""])


def _why_down(keeper: Keeper) -> str:
    state = keeper.state
    given_up = state.status == "quarantined"
    next_step = "it is left alone (quarantined)" if given_up else "it is tried again"
    reason = f": {state.detail}" if state.detail else ""
    return f"{state.name}{reason}; {next_step}. Log: {keeper.log}"


def _why_aside(keeper: Keeper, start: Callable[[str], str]) -> str:
    name = keeper.plan.name
    what = "stopped" if keeper.held else "draining"
    return f"{name}: {what}, as an operator wanted; `{start(name)}` takes it back"


def _addresses(keepers: Sequence[Keeper], joined: str) -> list[tuple[str, str]]:
    """What most people came for is first."""
    ready = {k.plan.role: k.state.address for k in keepers if k.state.address}
    rows: list[tuple[str, str]] = []
    app = next((keeper.plan.settings for keeper in keepers if keeper.plan.role == "api"), None)
    if "api" in ready and isinstance(app, AppProcess):
        rows.append(("Web chat" if app.webui else "App server", ready["api"]))
    if "openai_api" in ready:
        rows.append(("OpenAI API", f"{ready['openai_api']}/v1"))
    if controller := ready.get("controller") or joined:
        rows.append(("Controller", controller))
    return rows


def _models(keepers: Sequence[Keeper]) -> str:
    """What the workers serve that are ready and wait for nobody."""
    names: list[str] = []
    for keeper in keepers:
        if keeper.state.status != "ready" or keeper.state.missing or keeper.plan.drains:
            continue
        names += keeper.plan.serves
        if keeper.plan.role == "online_api" and not keeper.plan.serves:
            names.append(f"all of {keeper.plan.name.removeprefix('online_api ')}")
    return ", ".join(dict.fromkeys(names)) or "none yet; workers of other machines may join"
