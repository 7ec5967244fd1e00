"""What the doctor looks at in a fleet that runs, or in the ports that one would need."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from server.core.settings import FleetSettings, ServerSettings
from server.launcher.care.finding import Finding, ok, warn, wrong
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.launcher.setup.ports import holder, why_unusable

ASK_S = 3.0


def check_ports(settings: FleetSettings, home: Home) -> Iterator[Finding]:
    state = read_state(home.state_file)
    ours = {child.pid for child in state.children} if state else set()
    servers: dict[str, ServerSettings] = {
        "controller": settings.controller,
        "openai_api": settings.openai_api,
        "api": settings.api,
    }
    for name, server in servers.items():
        about = f"{name}: port {server.port}"
        if server.port == 0:
            yield ok("ports", f"{name}: any free port")
        elif (reason := why_unusable(server.host, server.port)) is None:
            yield ok("ports", f"{about} is free")
        elif (owner := holder(server.port)) and owner.pid in ours:
            yield ok("ports", f"{about} is ours (pid {owner.pid})")
        else:
            variable = f"SHORTLINE_{name.upper()}__PORT"
            yield wrong("ports", f"{about} is {reason}", f"stop that, or set {variable}")


def check_running(home: Home) -> Iterator[Finding]:
    state = read_state(home.state_file)
    if state is None or process_of(state.pid, state.created) is None:
        yield ok("running", "no, nothing runs in this home")
        return
    for child in state.children:
        if child.status not in ("ready", "asleep"):
            log = home.log_of(child.name)
            text = f"{child.name} is {child.status}: {child.detail or 'not ready yet'}"
            yield warn("running", text, f"its log says more: {log}")
    addresses = {child.role: child.address for child in state.children if child.address}
    if "openai_api" not in addresses:
        yield ok("running", "yes, without an OpenAI API of its own")
    for role in ("openai_api", "api"):
        if url := addresses.get(role):
            yield _readiness(url)


def _readiness(url: str) -> Finding:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=ASK_S, trust_env=False)
    except httpx.HTTPError as error:
        return wrong("running", f"{url} does not answer: {error}", "restart Shortline")
    if answer.is_success:
        return ok("running", f"yes, {url} is ready")
    return warn("running", f"{url} is not ready: {answer.text[:200]}", "see the lines above")
