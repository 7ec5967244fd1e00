"""Whose affair it is that a request did not end well: what an alert has to tell apart."""

from __future__ import annotations

from typing import Final, Literal, get_args

from server.wire.sight import Outcome

Fault = Literal["client", "limit", "setup", "server"]
"""`client`: it asked for what cannot be, left, set a time limit that passed, or its key ended.
`limit`: 429, of a key, a provider, or because all workers are full. `setup`: a provider does not
take our key, or a worker our secret, and only an operator can mend that. `server`: all else, which
clients can do nothing about."""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
PROVIDER_REFUSED: Final = "provider_refused"
WORKER_REFUSED: Final = "worker_refused"
_OF_SETUP: Final = frozenset({PROVIDER_REFUSED, WORKER_REFUSED})
_OF_CLIENT: Final = frozenset({"deadline_exceeded", "invalid_api_key"})
"""Whatever their status: a stream that has begun ends with them after a 200."""


def fault_of(outcome: Outcome, status: int, code: str) -> Fault | None:
    """None: it ended well."""
    if outcome == "complete":
        return None
    if outcome == "cancelled" or code in _OF_CLIENT:
        return "client"
    if code in _OF_SETUP:
        return "setup"
    if status == 429:
        return "limit"
    return "client" if outcome == "http_error" and 400 <= status < 500 else "server"
