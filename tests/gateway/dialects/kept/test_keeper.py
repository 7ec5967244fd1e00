"""What a client hears of is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import orjson
import pytest

from server.gateway.dialects.kept.keeper import Keeper
from server.gateway.dialects.responses.making import Making
from server.web.asgi import Header, Message
from tests.gateway.dialects.responses.conftest import events_in
from tests.gateway.dialects.responses.test_making import delta, making


class Client:
    """Notes what it is told, and when."""

    more_lines = b""
    is_answered = False

    def __init__(self, heard: list[str]) -> None:
        self.loop = asyncio.get_running_loop()
        self.heard = heard
        self.body = b""

    def listen(self, listener: Callable[[], None] | None) -> None: ...
    def hold(self, size: int) -> None: ...
    def take_body(self) -> bytes | None:
        return None

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        self.heard.append("told")
        self.body = body

    def send_now(self, piece: bytes) -> bool:
        self.body += piece
        return True

    async def send(self, message: Message) -> None:
        self.heard.append("told")
        self.body += message.get("body", b"")


def between(client: Client, one: Making) -> Keeper:
    async def keep() -> None:
        client.heard.append("kept")
        one.document["store"] = False

    return Keeper(client.receive, client.send, one, keep)


async def test_a_whole_response_is_kept_before_it_is_told_and_told_as_it_is_kept() -> None:
    one, client = making(), Client([])
    keeper = between(client, one)
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
    body = orjson.dumps(one.whole({"choices": [choice]}))
    await keeper.respond(200, [], body)
    assert client.heard == ["kept", "told"]
    assert orjson.loads(client.body)["store"] is False


async def test_an_error_is_told_and_not_kept() -> None:
    client = Client([])
    await between(client, making()).respond(400, [], b"no")
    assert (client.heard, client.body) == (["told"], b"no")


async def test_the_end_of_a_stream_waits_until_it_is_kept() -> None:
    one, client = making(), Client([])
    keeper = between(client, one)
    assert keeper.send_now(one.chunk(delta(content="x")))
    ending = one.end()
    assert not keeper.send_now(ending)
    await keeper.send({"type": "http.response.body", "body": ending, "more_body": True})
    await keeper.send({"type": "http.response.body", "body": b"", "more_body": False})
    assert client.heard == ["kept", "told", "told"]
    last = events_in(client.body)[-1]
    assert (last["type"], last["response"]["store"]) == ("response.completed", False)


async def test_who_runs_out_of_time_while_it_is_kept_still_hears_the_end_of_a_stream() -> None:
    one, client, may_go_on = making(), Client([]), asyncio.Event()

    async def keep() -> None:
        client.heard.append("keeps")
        await may_go_on.wait()

    keeper = Keeper(client.receive, client.send, one, keep)
    ending = {"type": "http.response.body", "body": one.end(), "more_body": True}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await keeper.send(ending)
    may_go_on.set()
    await keeper.send({"type": "http.response.body", "body": b"", "more_body": False})
    assert client.heard == ["keeps", "told"]
    said = [event["type"] for event in events_in(client.body)]
    assert said[:2] == ["response.created", "response.in_progress"]
    assert said[-1] == "response.completed"
