"""`startup.py explain REQUEST_ID`: what became of a recent request, and why."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from urllib.parse import quote

import httpx
from pydantic import SecretStr, ValidationError

from server.launcher.care.explained import in_words
from server.launcher.running.reading_key import read_reading_key
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.wire.launcher import LauncherState
from server.wire.sight import READING_HEADER, Explained

FOUND, UNKNOWN, NOT_RUNNING = 0, 1, 3
ASK_S = 5.0


class Unanswered(Exception):
    """A gateway that does not tell; the message says why."""


def explain(home: Home, request_id: str, *, as_json: bool) -> int:
    """0: told. 1: no gateway here knows it, or one does not answer. 3: nothing runs here."""
    state = read_state(home.state_file)
    gateways = _gateways(state)
    if not gateways:
        _say(f"No gateway runs in {home.root}.")
        return NOT_RUNNING
    key = read_reading_key(home)
    if key is None:
        _say("There is no key to ask with in data/run; only who started Shortline can read it.")
        return UNKNOWN
    problems = []
    for address in gateways:
        try:
            found = ask(address, request_id, key)
        except Unanswered as problem:
            problems.append(str(problem))
            continue
        if found is not None:
            _say(found.model_dump_json(indent=1) if as_json else in_words(found))
            return FOUND
    _say("\n".join(problems) or f"No gateway remembers the request {request_id!r}.")
    return UNKNOWN


def ask(address: str, request_id: str, key: SecretStr) -> Explained | None:
    """None: that gateway does not remember it. Raises `Unanswered`."""
    try:
        answer = httpx.get(
            f"{address}/shortline/requests/{quote(request_id, safe='')}",
            headers={READING_HEADER: key.get_secret_value()},
            timeout=ASK_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Unanswered(f"{address} does not answer: {error}") from error
    if answer.status_code == 404:
        return None
    if answer.status_code != 200:
        raise Unanswered(f"{address} refuses to tell: {answer.status_code} {answer.text[:200]}")
    try:
        return Explained.model_validate_json(answer.content)
    except ValidationError as error:
        raise Unanswered(f"{address} tells nothing that makes sense") from error


def _gateways(state: LauncherState | None) -> Sequence[str]:
    """Where to ask, each place once."""
    if state is None or process_of(state.pid, state.created) is None:
        return ()
    found = (c.address for c in state.children if c.role == "openai_api" and c.address)
    return tuple(dict.fromkeys(found))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
