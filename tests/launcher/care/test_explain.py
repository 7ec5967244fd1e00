from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from server.launcher.care.explain import explain
from server.launcher.cli import run
from server.launcher.running.reading_key import kept_reading_key
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState
from server.wire.sight import Explained, reading_key
from tests.fakes.telling_gateway import TellingGateway, telling_gateway
from tests.launcher.care.test_explained import told
from tests.launcher.care.test_status import write

SECRET = SecretStr("s" * 32)


def child(address: str | None, name: str = "openai_api", role: str = "openai_api") -> ChildState:
    return ChildState(name=name, role=role, status="ready", address=address)


@pytest.fixture
def gateway(home: Home) -> Iterator[TellingGateway]:
    """One that runs in `home` and knows the request `req-1`."""
    with ExitStack() as stack:
        fake = stack.enter_context(
            telling_gateway(reading_key(SECRET).get_secret_value(), told("req-1"))
        )
        stack.enter_context(kept_reading_key(home, SECRET))
        write(home, child(None, "controller", "controller"), child(fake.url))
        yield fake


def test_a_request_is_told_in_words(
    home: Home, gateway: TellingGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(home, "req-1", as_json=False) == 0
    assert capsys.readouterr().out.startswith("req-1: complete")


def test_and_as_json_for_programs(
    home: Home, gateway: TellingGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "req-1", "--json", "--home", str(home.root)]) == 0
    assert Explained.model_validate(json.loads(capsys.readouterr().out)) == told("req-1")


def test_a_request_that_nobody_remembers_is_one(
    home: Home, gateway: TellingGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(home, "req-2", as_json=False) == 1
    assert "No gateway remembers the request 'req-2'" in capsys.readouterr().out


def test_an_id_is_no_path(home: Home, gateway: TellingGateway) -> None:
    for request_id in ("../stats", "a/b", "req 1?x", "%2e%2e"):
        assert explain(home, request_id, as_json=False) == 1
    assert all(path.count("/") == 3 and "?" not in path for path in gateway.asked)


def test_every_gateway_is_asked_and_each_place_once(
    home: Home, gateway: TellingGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, same = child("http://127.0.0.1:9", "other"), child(gateway.url, "same")
    write(home, gone, child(gateway.url), same)
    assert explain(home, "req-1", as_json=False) == 0
    assert explain(home, "req-2", as_json=False) == 1
    assert len(gateway.asked) == 2
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ((401, b"no"), "refuses to tell: 401 no"),
        ((500, b"x" * 5000), "refuses to tell: 500"),
        ((200, b"<html>"), "tells nothing that makes sense"),
        ((200, b"{}"), "tells nothing that makes sense"),
        ((302, b""), "refuses to tell: 302"),
    ],
)
def test_a_gateway_that_does_not_tell_is_named(
    home: Home,
    gateway: TellingGateway,
    capsys: pytest.CaptureFixture[str],
    says: tuple[int, bytes],
    words: str,
) -> None:
    gateway.says = says
    assert explain(home, "req-1", as_json=False) == 1
    out = capsys.readouterr().out
    assert f"{gateway.url} {words}" in out
    assert len(out) < 400


def test_without_the_key_it_says_who_has_it(
    home: Home, gateway: TellingGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.run / "reading-key").unlink()
    assert explain(home, "req-1", as_json=False) == 1
    assert "no key to ask with" in capsys.readouterr().out
    assert gateway.asked == []


@pytest.mark.parametrize("alive", [True, False])
def test_where_no_gateway_runs_it_is_three(
    home: Home, alive: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if not alive:
        write(home, child("http://127.0.0.1:9"), alive=False)
    assert explain(home, "req-1", as_json=False) == 3
    assert "No gateway runs" in capsys.readouterr().out
