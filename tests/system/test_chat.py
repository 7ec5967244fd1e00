"""The chat of the running product, and every way in which a connection to it may be lost."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from server.wire.browser import CONVERSATION_HEADER
from tests.browser.server import ECHO, SLOW, Server, sentence, served
from tests.fakes.chaos_proxy import chaos_proxy
from tests.system.launch import until
from tests.system.streams import Frames, Listener, asked

pytestmark = [pytest.mark.system, pytest.mark.slow]

QUICK = ECHO | {"name": "quick", "options": {"delay_ms": 2}, "slots": 8}
NARROW = SLOW | {"name": "narrow", "slots": 1, "queue": 1}
IDLE = ECHO | {"name": "idle", "options": {"delay_ms": 60_000}}
CUTS = 200
CUTS_EACH = 8
READERS = 300
READERS_MAY_COST = 40 << 20
"""Bytes for `READERS` connections: four times what they take."""
ODD = "你好，世界。 \N{GRINNING FACE} a\N{LINE SEPARATOR}b \r\n\t{x} <script> \\ \x85 'ß'"
EVERY_CHARACTER = " ".join(chr(n) for n in range(1, 0x3000, 7) if not 0xD800 <= n < 0xE000)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models: list[Mapping[str, object]] = [ECHO, SLOW, QUICK, NARROW, IDLE]
    with served(tmp_path_factory.mktemp("chat") / "home", models) as running:
        yield running


def stored(web: Server, listener: Listener) -> str:
    """The answer as the history says it, once it has ended; it is there exactly once."""
    (conversation,) = web.found(str(listener.body["query"])[:100])
    (message,) = web.messages(conversation.id)
    assert message.id == listener.message_id
    assert message.status == "complete"
    return message.response


@pytest.mark.parametrize(
    "query",
    ["one two three", ODD, EVERY_CHARACTER, "漢字\N{SKULL} " * 1_000],
    ids=["plain", "odd", "all", "10 kB"],
)
def test_a_client_that_appends_texts_by_message_has_what_is_stored(web: Server, query: str) -> None:
    body = {
        "query": query,
        "conversation_id": "",
        "conversation_name": "as the first product asked",
        "history": [],
        "model_name": "echo",
        "temperature": 0.7,
        "stream": True,
    }
    texts: dict[str, str] = {}
    with httpx.stream("POST", f"{web.url}/api/chat", json=body, trust_env=False) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = Frames()
        for raw in answer.iter_bytes():
            for frame in frames.feed(raw):
                id = frame.data["message_id"]
                texts[id] = texts.get(id, "") + frame.data.get("text", "")
        conversation = answer.headers[CONVERSATION_HEADER]
    (message,) = web.messages(conversation)
    assert texts == {message.id: message.response}
    assert message.response.encode() == query.encode()
    assert web.conversation(conversation).name == "as the first product asked"


def test_two_hundred_cuts_lose_and_double_nothing(web: Server) -> None:
    chance = random.Random(11)
    before = len(web.found("round"))
    rounds = cuts = 0
    while cuts < CUTS:
        query = f"round-{rounds:04d} " + " ".join(chance.sample(ODD.split() * 9, 60))
        listener = Listener(web.url, query, model="quick")
        rounds += 1
        for _ in range(CUTS_EACH):
            if chance.random() < 0.1 and not listener.message_id:
                listener.ask_in_part(unsent=chance.randint(1, 300))
            else:
                listener.listen(most=chance.choice((0, 1, chance.randint(0, 900))))
            if listener.end is not None:
                break
            cuts += 1
        assert listener.whole().code == "done"
        assert listener.text == query == stored(web, listener)
    assert len(web.found("round")) - before == min(rounds, 30)


def test_the_same_question_twice_at_once_is_one_message(web: Server) -> None:
    listeners = [Listener(web.url, "twin " + sentence(20), model="quick") for _ in range(8)]
    for listener in listeners:
        listener.key = listeners[0].key
    with ThreadPoolExecutor(len(listeners)) as pool:
        list(pool.map(Listener.whole, listeners))
    assert {(one.message_id, one.text, one.code) for one in listeners} == {
        (listeners[0].message_id, stored(web, listeners[0]), "done")
    }


def test_a_network_that_is_gone_for_seconds_costs_nothing(web: Server) -> None:
    query = "away " + sentence(200)
    with chaos_proxy("127.0.0.1", web.port) as proxy:
        listener = Listener(proxy.url, query, model="slow").chars(60)
        proxy.cut()
        had = len(listener.text)
        time.sleep(3)
        assert len(web.messages(web.found("away")[0].id)[0].response) > had + 100
        proxy.mend()
        assert listener.whole().text == query == stored(web, listener)


def test_a_slow_reader_gets_all_and_holds_up_nobody(web: Server) -> None:
    query = "two " + sentence(120)
    first = Listener(web.url, query, model="slow").chars(10)
    slow = Listener(web.url, message_id=first.message_id)

    def crawl() -> None:
        for _ in slow.frames(piece=100):
            time.sleep(0.05)

    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        crawling = pool.submit(crawl)
        assert first.whole().text == query
        first_took = time.monotonic() - began
        crawling.result()
    assert slow.text == query == stored(web, first)
    assert time.monotonic() - began > first_took


def test_a_full_queue_says_the_place_and_refuses_the_next(web: Server) -> None:
    queries = [f"narrow-{n} " + sentence(100) for n in range(2)]
    running = Listener(web.url, queries[0], model="narrow").chars(5)
    waiting = Listener(web.url, queries[1], model="narrow")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(listener.whole) for listener in (running, waiting)]
        until(lambda: waiting.queue, 5)
        assert waiting.queue[0] | {"message_id": ""} == {
            "message_id": "",
            "position": 1,
            "reason": "queue",
            "done": None,
        }
        refused = Listener(web.url, "narrow-2", model="narrow").whole()
        assert (refused.code, refused.text) == ("overloaded", "")
        assert [one.result().code for one in both] == ["done", "done"]
    assert (running.text, waiting.text) == (queries[0], queries[1])
    conversation = web.found("narrow-2")[0].id
    failed = web.last(conversation)
    assert (failed.status, failed.response) == ("failed", "")
    assert failed.error is not None
    assert failed.error.code == "overloaded"
    again = Listener(web.url, "narrow-2", conversation_id=conversation, parent_id="").whole()
    assert again.text == "narrow-2"
    assert web.last(conversation).siblings == (failed.id, again.message_id)


def test_three_hundred_idle_readers_cost_little_and_all_hear_the_end(web: Server) -> None:
    with asked(web.url, "POST", "/api/chat", {"query": "idle", "model": "idle"}) as first:
        until(lambda: web.found("idle"), 5)
        message = web.last(web.found("idle")[0].id)
        process = psutil.Process(web.launch.child("api").pid)
        before = process.memory_info().rss
        path = f"/api/chat/{message.id}/events"
        readers = [asked(web.url, "GET", path) for _ in range(READERS)]
        wires = [reader.__enter__() for reader in readers]
        try:
            time.sleep(1)
            assert process.memory_info().rss - before < READERS_MAY_COST
            httpx.post(f"{web.url}/api/chat/{message.id}/stop", trust_env=False)
            for wire in (first, *wires):
                frames = [f for raw in wire.body() for f in Frames().feed(raw)]
                assert frames[-1].name == "done"
                assert frames[-1].data["finish_reason"] == "stopped"
        finally:
            for reader in readers:
                reader.__exit__(None, None, None)
    assert web.last(message.conversation_id).status == "stopped"


def test_what_makes_no_sense_is_refused_and_changes_nothing(web: Server) -> None:
    nobody = "0" * 32
    turn = {"role": "user", "content": "x"}
    bodies: list[tuple[int, bytes]] = [
        (400, b""),
        (400, b"[]"),
        (400, b'{"query":""}'),
        (400, b'{"query":null}'),
        (400, b'{"query":"a","temperature":NaN}'),
        (400, b'{"query":"\\ud800"}'),
        (400, b'{"query":"a\\u0000"}'),
        (400, b'{"query":"\xff"}'),
        (400, b'{"query":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        (400, json.dumps({"query": "a" * 200_001}).encode()),
        (400, json.dumps({"query": "a", "history": [turn] * 10_000}).encode()),
        (400, json.dumps({"query": "a", "conversation_name": "x\0"}).encode()),
        (400, json.dumps({"query": "a", "conversation_id": "' OR 1=1"}).encode()),
        (404, json.dumps({"query": "a", "conversation_id": nobody}).encode()),
        (404, json.dumps({"query": "a", "parent_id": nobody}).encode()),
        (404, json.dumps({"query": "a", "model": "no-such-model"}).encode()),
        (413, json.dumps({"query": "a" * 3_000_000}).encode()),
    ]
    before = web.get("/api/conversations?limit=100").text
    with httpx.Client(base_url=web.url, trust_env=False) as http:
        for status, body in bodies:
            headers = {"content-type": "application/json"}
            answer = http.post("/api/chat", content=body, headers=headers)
            assert answer.status_code == status, (body[:80], answer.text)
            error = answer.json()["error"]
            assert error["type"]
            assert error["message"]
            assert error["request_id"] == answer.headers["x-request-id"]
        for path in (f"/api/chat/{nobody}/events", f"/api/conversations/{nobody}", "/api/x"):
            assert http.get(path).status_code == 404
    assert web.get("/api/conversations?limit=100").text == before


def test_a_script_in_a_title_is_text(web: Server) -> None:
    title = "<script>alert(1)</script>"
    id = web.ask("a", conversation_name=title)
    shown = web.get(f"/api/conversations/{id}")
    assert shown.json()["name"] == title
    assert shown.headers["content-type"] == "application/json"
    assert shown.headers["x-content-type-options"] == "nosniff"
