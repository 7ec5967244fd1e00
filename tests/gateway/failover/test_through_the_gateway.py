"""A worker dies in mid-stream behind a real gateway, and what its client sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest

from server.core.errors import WorkerLost
from server.core.settings import GatewaySettings
from server.gateway.asking import trouble_of
from server.gateway.failover.diverged import Diverged
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Script, Upstream, chunk
from tests.fakes.upstream import Writer as Wire
from tests.fakes.upstream import upstream as fake
from tests.gateway.conftest import Served, gateway, view
from tests.gateway.failover.answers import Client, Json, Said, Worker

CHAT = "/v1/chat/completions"
HELLO = [Said((("reasoning_content", "Hm\u2028…"), ("content", "Héllo 👩‍🚀, world")), "stop")]
OTHER = [Said((("reasoning_content", "Hm\u2028…"), ("content", "Hi there")), "stop")]
GREEDY: Json = {"model": "m", "stream": True, "temperature": 0, "messages": []}


@dataclass(slots=True)
class Pair:
    """Whoever is asked first says `first` and hangs up; the other one says `second`."""

    served: Served
    workers: list[Upstream]

    @property
    def asked(self) -> int:
        return sum(len(worker.received) for worker in self.workers)

    async def ask(self, path: str = CHAT, **fields: object) -> bytes:
        got = await self.served.client.post(path, json=GREEDY | fields)
        assert got.status_code == 200
        assert set(self.served.fleet.in_flight().values()) == {0}
        return got.content


@asynccontextmanager
async def pair(
    first: bytes, second: bytes, *, failover: bool = True, **changes: object
) -> AsyncIterator[Pair]:
    async with fake(script := in_turn([first, second])) as one, fake(script) as other:
        views = view(one.url, **changes), view(other.url, **changes)
        async with gateway(*views, settings=GatewaySettings(failover=failover)) as served:
            yield Pair(served, [one, other])


def in_turn(answers: list[bytes]) -> Script:
    """Each request gets the next answer, whichever worker it comes to; then it hangs up."""
    rest = iter(answers)

    async def script(_: Received, wire: Wire) -> None:
        wire.write(next(rest))
        await wire.drain()
        wire.close()

    return script


def stream(*events: bytes) -> bytes:
    """Cut after these."""
    return STREAM_HEAD + b"".join(map(chunk, events))


def events(name: str, choices: list[Said], *, chat: bool = True) -> list[bytes]:
    return Worker(name, Random(name), chat=chat).events(choices)


def parts_of(choices: list[Said]) -> dict[tuple[int, str], str]:
    return {(at, name): text for at, said in enumerate(choices) for name, text in said.parts}


def split_at_error(body: bytes) -> tuple[bytes, bytes]:
    told, mark, error = body.partition(b"event: error\n")
    assert mark
    assert b"worker_lost" in error
    assert b"[DONE]" not in body
    return told, error


async def test_wherever_the_worker_dies_the_client_gets_one_whole_answer() -> None:
    said = events("old", HELLO)
    again = stream(*events("new", HELLO)) + LAST_CHUNK
    for cut in range(1, len(said)):
        half = said[cut][: len(said[cut]) // 2]  # it never arrives whole, so it is not passed on
        async with pair(stream(*said[:cut], half), again) as workers:
            client = Client().read(await workers.ask())
            assert client.said == parts_of(HELLO)
            assert client.finishes == {0: ["stop"]}
            assert (client.dones, client.roles[0], len(client.frames)) == (1, 1, 1)
            assert [len(worker.received) for worker in workers.workers] == [1, 1]
            marks = [mark for one in client.chunks if (mark := one.get("shortline"))]
            only_the_end_mark_was_missing = cut == len(said) - 1
            assert marks == [{"resumed": True, "worker": 2}][only_the_end_mark_was_missing:]


async def test_choices_go_on_one_by_one() -> None:
    two = HELLO + OTHER
    cut = stream(*events("old", two)[:9])
    async with pair(cut, stream(*events("new", two)) + LAST_CHUNK) as workers:
        client = Client().read(await workers.ask(n=2))
        assert client.said == parts_of(two)
        assert client.finishes == {0: ["stop"], 1: ["stop"]}


async def test_completions_go_on_as_well() -> None:
    text = [Said((("text", "once upon a time"),), "length")]
    cut = stream(*events("old", text, chat=False)[:2])
    again = stream(*events("new", text, chat=False)) + LAST_CHUNK
    async with pair(cut, again) as workers:
        client = Client().read(await workers.ask("/v1/completions", prompt="x"))
        assert client.said == parts_of(text)


async def test_another_answer_is_not_joined_to_the_first() -> None:
    told = events("old", HELLO)[:6]
    async with pair(stream(*told), stream(*events("new", OTHER)) + LAST_CHUNK) as workers:
        got, _ = split_at_error(await workers.ask())
        assert got == b"".join(told)
        assert workers.asked == 2


async def test_two_workers_are_lost_to_one_answer_and_no_more() -> None:
    said = events("old", HELLO)
    async with pair(stream(*said[:3]), stream(*events("new", HELLO)[:-2])) as workers:
        got, _ = split_at_error(await workers.ask())
        for (at, name), text in Client().read(got).said.items():
            assert parts_of(HELLO)[at, name].startswith(text)
        assert workers.asked == 2


async def test_a_worker_that_dies_after_its_end_mark_has_lost_nothing() -> None:
    said = events("old", HELLO)
    async with pair(stream(*said), stream(*events("new", HELLO))) as workers:
        assert await workers.ask() == b"".join(said)
        assert workers.asked == 1


def test_a_worker_that_answers_something_else_is_in_no_trouble() -> None:
    lost = WorkerLost("in mid-answer")
    assert trouble_of(lost) == "lost"
    lost.__cause__ = Diverged("it says something else")
    assert trouble_of(lost) is None
    assert trouble_of(Diverged("it says something else")) is None


async def test_a_worker_that_cannot_be_reached_is_passed_over() -> None:
    for _ in range(4):  # the one that is down may be tried first, second or not at all
        script = in_turn([stream(*events("old", HELLO)[:4]), stream(*events("new", HELLO))])
        async with fake(script) as one, fake(script) as two:
            views = view(one.url), view(two.url), view("http://127.0.0.1:9")
            async with gateway(*views) as served:
                got = await served.client.post(CHAT, json=GREEDY)
                assert Client().read(got.content).said == parts_of(HELLO)


@pytest.mark.parametrize(
    ("fields", "changes", "failover"),
    [
        ({"temperature": 1}, {}, True),
        ({"temperature": 1, "seed": 7}, {"kind": "online_api"}, True),
        ({}, {}, False),
    ],
    ids=["any answer will do", "a provider's seed", "switched off"],
)
async def test_where_it_cannot_go_on_the_stream_ends_in_an_error(
    fields: Json, changes: Json, failover: bool
) -> None:
    told = events("old", HELLO)[:4]
    again = stream(*events("new", HELLO))
    async with pair(stream(*told), again, failover=failover, **changes) as workers:
        got, _ = split_at_error(await workers.ask(**fields))
        assert got == b"".join(told)
        assert workers.asked == 1


async def test_a_seed_is_as_good_as_greed_at_our_own_workers() -> None:
    again = stream(*events("new", HELLO)) + LAST_CHUNK
    async with pair(stream(*events("old", HELLO)[:5]), again) as workers:
        client = Client().read(await workers.ask(temperature=1, seed=7))
        assert client.said == parts_of(HELLO)


async def test_the_room_for_what_was_delivered_is_given_back() -> None:
    again = stream(*events("new", HELLO)) + LAST_CHUNK
    async with pair(stream(*events("old", HELLO)[:5]), again) as workers:
        shelf = workers.served.parts.relay.shelf
        free = shelf.free
        await workers.ask()
        assert shelf.free == free
