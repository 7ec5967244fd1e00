from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.clients.calls import about, begun, fetch, next_chunk
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, ConnectFailed, CutOff, TransportError
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, chunk, says, upstream, whole
from tests.fakes.waiting import until

SOON_S = 0.05


@pytest.fixture
async def http() -> AsyncIterator[HTTPClient]:
    client = HTTPClient()
    yield client
    client.close()


async def test_the_whole_answer_is_fetched_whatever_its_status(http: HTTPClient) -> None:
    answer = STREAM_HEAD.replace(b"200 OK", b"404 No") + chunk(b"on") + chunk(b"e") + LAST_CHUNK
    async with upstream(says(answer)) as fake:
        said = await fetch(http, fake.origin, b"/x", b"{}", ((b"a", b"b"),), within_s=5)
        assert (said.status, said.body) == (404, b"one")
        [request] = fake.received
        assert request.head.startswith(b"POST /x ")
        assert (request.header("a"), request.body) == ("b", b"{}")


async def test_one_connection_serves_many_calls(http: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        for _ in range(3):
            await fetch(http, fake.origin, b"/", method=b"GET", within_s=5)
        assert fake.connections == 1


@pytest.mark.parametrize("answer", [b"", whole(b"half of it")[:-4]])
async def test_an_answer_that_is_not_whole_in_time_is_cut_off_and_hung_up_on(
    http: HTTPClient, answer: bytes
) -> None:
    async with upstream(says(answer)) as fake:
        with pytest.raises(CutOff, match=r"no answer within 0\.05 s"):
            await fetch(http, fake.origin, b"/", within_s=SOON_S)
        await until(fake.closed.is_set)


async def test_an_answer_without_end_is_given_up(http: HTTPClient) -> None:
    async with upstream(says(whole(b"x" * 11))) as fake:
        with pytest.raises(BadAnswer, match="no end"):
            await fetch(http, fake.origin, b"/", within_s=5, most_bytes=10)


async def test_a_stream_must_begin_in_time(http: HTTPClient) -> None:
    async with upstream(says(b"")) as fake:
        exchange = http.request(fake.origin, b"/", method=b"GET")
        with pytest.raises(CutOff, match="no answer"):
            async with begun(exchange, SOON_S):
                pytest.fail("it has not begun")
        await until(fake.closed.is_set)


async def test_a_stream_may_take_long_as_long_as_it_says_something(http: HTTPClient) -> None:
    async with upstream(says(STREAM_HEAD + chunk(b"one"))) as fake:
        with pytest.raises(CutOff, match=r"silent for 0\.05 s"):
            async with begun(http.request(fake.origin, b"/"), 5) as answer:
                assert await next_chunk(answer, 5) == b"one"
                await next_chunk(answer, SOON_S)
        await until(fake.closed.is_set)


async def test_leaving_a_stream_hangs_up(http: HTTPClient) -> None:
    async with upstream(says(STREAM_HEAD + chunk(b"one"))) as fake:
        async with begun(http.request(fake.origin, b"/"), 5) as answer:
            assert answer.status == 200
        await until(fake.closed.is_set)


async def test_an_error_names_the_peer_and_keeps_its_kind(http: HTTPClient) -> None:
    with (
        pytest.raises(ConnectFailed, match=r"the oracle cannot be reached: ."),
        about("the oracle"),
    ):
        await fetch(http, Origin("127.0.0.1", 1), b"/", within_s=5)
    with pytest.raises(CutOff, match="the oracle went away: in mid-answer"), about("the oracle"):
        raise CutOff("in mid-answer")
    odd: TransportError = BadAnswer("it makes no sense")
    with pytest.raises(BadAnswer, match=r"^it makes no sense$"), about("the oracle"):
        raise odd
