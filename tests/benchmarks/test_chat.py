"""The benchmark of the chat: that it runs, and that it is not fooled."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.chat.asks import NotWhole, Place, answer, ask_app, ask_gateway, read_stream
from benchmarks.chat.load import Record
from benchmarks.chat.messages import Speech
from benchmarks.chat.plan import FIRST, TURNS
from benchmarks.chat.sampler import NO_PACKAGE, OTHER_THREADS, Sampler
from benchmarks.gateway.answers import bursts, read_ask
from benchmarks.gateway.messages import Ask

ROOT = Path(__file__).resolve().parents[2]
ASK = Ask(stream=True, events=3, burst=2)
APP_STREAM = (
    b'id: 8\ndata: {"message_id":"a","text":"word000 "}\n\n: ping\n\n'
    b'id: 24\ndata: {"message_id":"a","text":"word001 word002 "}\n\n'
    b'id: 24\nevent: done\ndata: {"message_id":"a"}\n\n'
)
PEER_STREAM = (
    b'data: {"text": "word000 "}\n\ndata: {"text": "word001 word002 "}\n\nevent: done\ndata: {}\n\n'
)


@pytest.mark.slow
@pytest.mark.system
def test_a_quick_run_gets_every_answer_whole_and_prints_its_tables(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.chat", "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "met            0 of at most 0  answers that were not whole" in done.stdout
    found = orjson.loads(figures.read_bytes())
    assert [one["way"] for one in found["cost"]] == ["gateway", "app", "peer"]
    assert all(one["whole"] == one["streams"] for one in found["crowds"])
    assert found["following"]["whole"] == found["following"]["readers"]
    shares = [one["langchain"] for one in found["shares"]]
    assert all(0 <= share < 1 for share in shares)  # sampled: a short run may miss it
    assert any(shares)


@pytest.mark.parametrize(
    ("speech", "body", "frames"),
    [
        ("openai", b"".join(bursts(ASK)), 3),
        ("app", APP_STREAM, 2),
        ("peer", PEER_STREAM, 2),
    ],
)
def test_the_text_of_a_stream_is_the_text_of_its_events(
    speech: Speech, body: bytes, frames: int
) -> None:
    texts = read_stream(speech, body)
    assert (len(texts), "".join(texts)) == (frames, answer(ASK))


@pytest.mark.parametrize("speech", ["openai", "app", "peer"])
def test_a_stream_without_its_end_is_not_whole(speech: Speech) -> None:
    with pytest.raises(NotWhole):
        read_stream(speech, b'data: {"text": "word000 "}\n\n')


def test_an_answer_with_other_words_is_an_error() -> None:
    target = ask_app("app", "http://127.0.0.1:1", ASK)
    record = Record(target, b"", bodies=[APP_STREAM, APP_STREAM.replace(b"word001", b"word007")])
    seen = record.seen()
    assert seen.errors == {"not the whole text": 1}
    assert seen.frames == 4


def test_the_gateway_is_asked_what_the_app_server_would_ask() -> None:
    place = Place("c" * 32, "m" * 32, TURNS)
    direct = orjson.loads(ask_gateway("gateway", "http://127.0.0.1:1", FIRST, place).body)
    ours = orjson.loads(ask_app("app", "http://127.0.0.1:1", FIRST, place).body)
    assert len(direct["messages"]) == 2 * TURNS + 1
    assert direct["messages"][-1]["content"] == ours["query"]
    assert (ours["conversation_id"], ours["parent_id"]) == (place.conversation_id, place.parent_id)
    assert read_ask(orjson.dumps(direct)) == FIRST


def test_time_goes_to_the_package_that_called() -> None:
    sampler = Sampler({"benchmarks.chat": "ours", __name__: "test"})
    before = signal.getsignal(signal.SIGPROF)
    sampler.start()
    try:
        for _ in range(200):
            sorted(range(20_000), key=lambda number: -number)
        spent = sampler.take()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert spent["test"] > 0.5 * sum(spent.values()) > 0
    assert spent.keys() <= {"test", "ours", NO_PACKAGE, OTHER_THREADS}
