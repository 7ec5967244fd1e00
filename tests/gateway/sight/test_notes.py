"""`explain` says what seldom happens to a request: seen through a real gateway."""

from __future__ import annotations

from pathlib import Path

from server.core.settings import GatewaySettings, RouteSettings
from server.gateway.sight.record import MAX_NOTES
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.upstream import LAST_CHUNK, says, upstream, whole
from tests.gateway.conftest import Served, gateway, view
from tests.gateway.failover.test_through_the_gateway import HELLO, OTHER, events, pair, stream
from tests.gateway.sight.seen import CHAT, a_request, a_sight

GOOD = says(whole(b'{"choices":[]}'))
ID = {"x-request-id": "req-x"}


def notes(served: Served, request_id: str = "req-x") -> list[str]:
    told = served.parts.sight.explain(request_id)
    assert told is not None
    return [note.words for note in told.notes]


async def test_the_clients_own_time_limit(ask: dict[str, object]) -> None:
    async with upstream(GOOD) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, json=ask, headers=ID | {"x-request-timeout": "2.5"})
        assert notes(served) == ["its client gives it 2.5 s"]


async def test_models_that_were_passed_over_and_why(ask: dict[str, object]) -> None:
    route = RouteSettings.model_validate({"name": "best", "to": ["big"], "fallback": ["full", "m"]})
    full = view("http://127.0.0.1:1", models=("full",), load={"running": 4})
    settings = GatewaySettings(routes=(route,))
    async with upstream(GOOD) as worker:
        views = view(worker.url), full
        async with gateway(*views, settings=settings, expected=("big",)) as served:
            await served.client.post(CHAT, json=ask | {"model": "best"}, headers=ID)
            up, room = notes(served)
            assert up.startswith("'big' was passed over: No worker for 'big' is up")
            assert room.startswith("'full' was passed over: Every worker for 'full' is full")


async def test_the_limit_that_refused_it(tmp_path: Path, ask: dict[str, object]) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="a", requests_per_minute=1), now=1.0)
    ledger.close()
    key = {"authorization": f"Bearer {text}"}
    async with upstream(GOOD) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            for _ in range(2):
                await served.client.post(CHAT, json=ask, headers=ID | key)
            assert notes(served) == [
                "refused: Rate limit reached for requests per minute: limit 1, used 1, requested 1."
            ]


async def test_that_nobody_could_be_asked(ask: dict[str, object]) -> None:
    async with gateway(expected=("m",)) as served:
        await served.client.post(CHAT, json=ask, headers=ID)
        assert notes(served) == [
            "refused: No worker for 'm' is up at the moment; try again shortly."
        ]


async def test_a_stream_that_went_on_at_another_worker() -> None:
    again = stream(*events("new", HELLO)) + LAST_CHUNK
    async with pair(stream(*events("old", HELLO)[:4]), again) as workers:
        workers.served.client.headers.update(ID)
        await workers.ask()
        told = workers.served.parts.sight.explain("req-x")
        assert told is not None
        first, second = told.attempts
        asked, went_on = told.notes
        assert asked.words.startswith("another worker is to go on with the stream")
        assert went_on.words == "the stream goes on from there"
        assert first.failed_s is not None
        assert first.failed_s <= asked.at_s <= second.at_s <= went_on.at_s
        assert told.state == "complete"


async def test_a_stream_that_could_not_go_on() -> None:
    other = stream(*events("new", OTHER)) + LAST_CHUNK
    async with pair(stream(*events("old", HELLO)[:6]), other) as workers:
        workers.served.client.headers.update(ID)
        await workers.ask()
        assert "the stream goes on from there" not in notes(workers.served)


async def test_nothing_is_noted_of_a_request_that_goes_well(ask: dict[str, object]) -> None:
    async with upstream(GOOD) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, json=ask, headers=ID)
        assert notes(served) == []


def test_there_are_never_too_many_notes() -> None:
    record = a_request(a_sight())
    for _ in range(2 * MAX_NOTES):
        record.note("x" * 1000)
    assert len(record.notes) == MAX_NOTES
    assert max(len(words) for _, words in record.notes) < 1000
