"""`startup.py key`: make, list and revoke API keys, and see what they used.

It works on the ledger's file, whether the product runs or not; gateways that run hear of it within
a second.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import closing

from pydantic import ValidationError

from server.core.clock import Clock
from server.core.errors import RequestError, StartError
from server.launcher.care.expiry import parse_expiry
from server.launcher.care.key_tables import key_table, usage_table
from server.launcher.setup.home import Home
from server.ledger.budget import DAY_S, spent
from server.ledger.documents import key_document, usage_document
from server.ledger.key import Key
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.ledger.usage import KEEP_DAYS

DONE, NOT_DONE, BAD_VALUE = 0, 1, 2

_FLAGS = {
    "requests_per_minute": "--rpm",
    "tokens_per_minute": "--tpm",
    "tokens_per_day": "--tokens-per-day",
    "name": "NAME",
}


class BadValue(Exception):
    """Something on the command line; the message says what is wanted."""


def key(home: Home, flags: Namespace, clock: Clock) -> int:
    """0: done; 1: it could not be done; 2: the command line is wrong."""
    try:
        if flags.action == "create":
            return _create(home, _wish(flags, clock), clock, as_json=flags.json)
        if flags.action == "usage":
            return _usage(home, flags.key, flags.days, clock, as_json=flags.json)
        if flags.action == "revoke":
            return _revoke(home, flags.key, clock)
        return _list(home, clock, revoked_too=flags.revoked, as_json=flags.json)
    except BadValue as error:
        return _complain(str(error), BAD_VALUE)
    except (StartError, RequestError) as error:
        return _complain(str(error), NOT_DONE)
    except OSError as error:
        where = error.filename or home.ledger_file
        return _complain(f"{where}: {error.strerror}; choose another folder with --home", NOT_DONE)


def _wish(flags: Namespace, clock: Clock) -> NewKey:
    try:
        return NewKey(
            name=flags.name,
            models=flags.models,
            requests_per_minute=flags.rpm,
            tokens_per_minute=flags.tpm,
            parallel=flags.parallel,
            tokens_per_day=flags.tokens_per_day,
            lane=flags.lane,
            admin=flags.admin,
            expires=parse_expiry(flags.expires, clock.wall()),
        )
    except ValidationError as error:
        raise BadValue("\n".join(_in_words(x["loc"], x["msg"]) for x in error.errors())) from None
    except ValueError as error:
        raise BadValue(f"--expires: {error}") from None


def _in_words(place: tuple[int | str, ...], message: str) -> str:
    field = str(place[0])
    return f"{_FLAGS.get(field, f'--{field}')}: {message.removeprefix('Value error, ')}"


def _create(home: Home, wish: NewKey, clock: Clock, *, as_json: bool) -> int:
    home.root.mkdir(parents=True, exist_ok=True)
    with closing(Ledger.open(home.ledger_file)) as ledger:
        first = not ledger.all_keys()
        made, text = ledger.create_key(wish, clock.wall())
    if as_json:
        _say(json.dumps(key_document(made, clock.wall()) | {"key": text}, indent=1))
        return DONE
    _say(f"Made {made.id} for {made.name!r}. Its key is shown only now, and kept nowhere:\n")
    _say(f"  {text}\n")
    _say("Clients send it as `Authorization: Bearer KEY`, or as their OPENAI_API_KEY.")
    if first:
        _say("It is the first one: from now on every request to the gateway needs a key.")
    return DONE


def _list(home: Home, clock: Clock, *, revoked_too: bool, as_json: bool) -> int:
    keys: list[Key] = []
    used: dict[str, int] = {}
    now = clock.wall()
    ledger = Ledger.find(home.ledger_file)
    if ledger is not None:
        with closing(ledger):
            keys = [x for x in ledger.all_keys() if revoked_too or x.revoked is None]
            used = spent(ledger.leases(int(now // DAY_S)), now)
    if as_json:
        data = [key_document(x, now, used.get(x.id, 0)) for x in keys]
        _say(json.dumps({"object": "list", "data": data}, indent=1))
    elif keys:
        _say(key_table(keys, used, now))
    else:
        _say(f"There are no keys in {home.root}. `key create NAME` makes one.")
    return DONE


def _revoke(home: Home, which: str, clock: Clock) -> int:
    ledger = Ledger.find(home.ledger_file)
    if ledger is None:
        return _complain(f"There are no keys in {home.root}.", NOT_DONE)
    with closing(ledger):
        gone = ledger.revoke_key(which, clock.wall())
    _say(f"Revoked {gone.id} of {gone.name!r}. Gateways that run refuse it within a second.")
    return DONE


def _usage(home: Home, which: str | None, days: int, clock: Clock, *, as_json: bool) -> int:
    if not 1 <= days <= KEEP_DAYS:
        raise BadValue(f"--days: a whole number from 1 to {KEEP_DAYS} is wanted")
    ledger = Ledger.find(home.ledger_file)
    keys: list[Key] = []
    found = []
    if ledger is not None:
        with closing(ledger):
            keys, found = ledger.all_keys(), ledger.usage(int(clock.wall() // DAY_S) - days + 1)
    if which is not None:
        ids = {x.id for x in keys if which in (x.id, x.name)} | {
            x.key for x in found if x.key == which
        }
        if not ids:
            return _complain(f"There is no key {which!r}.", NOT_DONE)
        found = [x for x in found if x.key in ids]
    names = {x.id: x.name for x in keys}
    if as_json:
        data = [usage_document(x, names) for x in found]
        _say(json.dumps({"object": "list", "data": data}, indent=1))
    elif found:
        _say(usage_table(found, names))
    else:
        _say("Nothing was used." if days == 1 else f"Nothing was used in the last {days} days.")
    return DONE


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
