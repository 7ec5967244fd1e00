"""Whose request it is: what workers are told of it, and who is sent to a full one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from server.core.errors import Overloaded
from server.core.settings import GatewaySettings
from server.gateway.customers.whose import MAX_USER_BYTES, NOBODYS, Whose, told_of
from server.gateway.fleet import Fleet
from server.gateway.worker import BEYOND
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.wire.fleet import CUSTOMER_HEADER, FleetView
from server.wire.process import app_key
from tests.fakes.upstream import says, upstream, whole
from tests.gateway.conftest import SECRET, gateway, view

CHAT = "/v1/chat/completions"
GOOD = says(whole(b'{"choices":[]}'))
A = "http://127.0.0.1:30001"
FLOOD, QUIET, OTHER = told_of("flood"), told_of("quiet"), told_of("other")
KEYS = GatewaySettings(api_keys=(SecretStr("sk-mine-1"),))
THEIRS = {"authorization": "Bearer sk-mine-1"}
APP = {"authorization": f"Bearer {app_key(SECRET).get_secret_value()}"}


async def told(
    headers: dict[str, str], ask: dict[str, object], settings: GatewaySettings | None = None
) -> str | None:
    """What a worker hears of a request with such headers."""
    async with upstream(GOOD) as worker:
        async with gateway(view(worker.url), settings=settings) as served:
            answer = await served.client.post(CHAT, json=ask, headers=headers)
            assert answer.status_code == 200
        (received,) = worker.received
        assert received.head.count(CUSTOMER_HEADER.encode()) <= 1
        return received.header(CUSTOMER_HEADER)


async def test_a_worker_is_told_the_id_of_the_key(tmp_path: Path, ask: dict[str, object]) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    key, text = ledger.create_key(NewKey(name="alice"), now=1.0)
    ledger.close()
    async with upstream(GOOD) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            headers = {"authorization": f"Bearer {text}"}
            await served.client.post(CHAT, json=ask, headers=headers)
        assert worker.received[0].header(CUSTOMER_HEADER) == key.id
        assert "alice" not in key.id
        assert key.id not in text


async def test_without_a_key_it_is_told_nothing(ask: dict[str, object]) -> None:
    assert await told({}, ask) is None


async def test_a_stranger_cannot_say_whose_his_request_is(ask: dict[str, object]) -> None:
    chosen = {CUSTOMER_HEADER: "first-in-line"}
    assert await told(chosen, ask) is None
    assert await told(THEIRS | chosen, ask, KEYS) == "configured-1"


async def test_our_app_may_say_which_of_its_users_asks(ask: dict[str, object]) -> None:
    assert await told(APP, ask) == "ours"
    assert await told(APP | {CUSTOMER_HEADER: "u1"}, ask) == "ours-u1"
    long = await told(APP | {CUSTOMER_HEADER: "u" * 4000}, ask)
    assert long == "ours-" + "u" * MAX_USER_BYTES


def full(slots: int = 1, queue: int = 5, of: Whose = FLOOD) -> Fleet:
    """A worker that has as many requests as it takes, all of one customer."""
    there = Fleet("gw")
    there.apply(FleetView(workers=(view(A, slots=slots, queue=queue),)))
    for number in range(slots + queue):
        there.take("m", "chat", f"old-{number}", whose=of)
    return there


def test_a_flood_does_not_keep_out_who_has_nothing_at_a_worker() -> None:
    there = full()
    there.take("m", "chat", whose=QUIET)
    for whose in (FLOOD, NOBODYS):
        with pytest.raises(Overloaded):
            there.take("m", "chat", whose=whose)


def test_who_has_as_much_as_the_others_there_is_refused() -> None:
    there = Fleet("gw")
    there.apply(FleetView(workers=(view(A, slots=1, queue=5),)))
    for whose in (FLOOD, FLOOD, FLOOD, QUIET, QUIET, OTHER):
        there.take("m", "chat", whose=whose)
    with pytest.raises(Overloaded):
        there.take("m", "chat", whose=QUIET)
    there.take("m", "chat", whose=OTHER)


def test_only_a_few_are_sent_to_a_full_worker_at_once() -> None:
    there = full()
    for number in range(BEYOND):
        there.take("m", "chat", whose=told_of(str(number)))
    with pytest.raises(Overloaded):
        there.take("m", "chat", whose=QUIET)


def test_a_place_in_the_queue_reckons_with_the_turns_of_others() -> None:
    there = full(slots=2, queue=6)
    there.take("m", "chat", "first", whose=QUIET)
    there.take("m", "chat", "second", whose=QUIET)
    places = {name: there.position(name) for name in ("old-1", "old-2", "first", "second")}
    assert places == {"old-1": 0, "old-2": 3, "first": 1, "second": 2}
    assert there.position("old-7") == 8


def test_who_has_been_answered_waits_no_longer() -> None:
    there = full(slots=2, queue=6)
    lease = there.take("m", "chat", "late", whose=QUIET)
    assert there.position("late") == 1
    lease.answered(0.0)
    assert there.position("late") == 0
