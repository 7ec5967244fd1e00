"""A second Shortline joins the first one while both run, and outlives what happens to either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from tests.system.launch import Launch, command, launched, until, write_home

pytestmark = pytest.mark.system

WORKER = "online_api second"
QUESTION = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The model of the second is called otherwise."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_home(first)
    write_home(second, name="far")
    yield first, second


def models(fleet: Launch) -> list[str]:
    return [model.id for model in OpenAI(base_url=fleet.base_url, api_key="any").models.list()]


def says(fleet: Launch) -> str:
    client = OpenAI(base_url=fleet.base_url, api_key="any")
    asked: Any = {"model": "far", "messages": QUESTION, "stream": True}
    stream = client.chat.completions.create(**asked)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def port_of(fleet: Launch) -> str:
    return str(fleet.child("openai_api").address).rpartition(":")[2]


def test_a_server_that_joined_comes_and_goes_and_stays_over_a_kill_until_it_leaves(
    homes: tuple[Path, Path],
) -> None:
    first, second = homes
    with launched(first) as here:
        with launched(second) as there:
            port = port_of(there)
            told = command(first, "join", f"http://127.0.0.1:{port}", "--name", "second")
            assert told.returncode == 0, told.stdout + told.stderr
            assert "second (shortline) has joined" in told.stdout
            until(lambda: models(here) == ["echo", "far"], 1)  # gateways hear of it within that
            assert "one two three" in says(here)
            own = command(first, "join", here.base_url)
            assert (own.returncode, "in a circle" in own.stdout) == (2, True)
        until(lambda: models(here) == ["echo"], 20)
        until(lambda: "cannot be reached" in here.rows()[WORKER]["missing"], 20)
        with launched(second, SHORTLINE_OPENAI_API__PORT=port):
            until(lambda: models(here) == ["echo", "far"], 20)
            assert "one two three" in says(here)
            here.process.kill()
            here.wait()
            with launched(first) as again:
                until(lambda: models(again) == ["echo", "far"], 15)
                assert "one two three" in says(again)
                left = command(first, "leave", "second")
                assert left.returncode == 0, left.stdout + left.stderr
                until(lambda: models(again) == ["echo"], 15)
                until(lambda: WORKER not in again.rows(), 15)
                with pytest.raises(NotFoundError):
                    says(again)


def test_one_line_of_the_settings_joins_a_server_that_comes_later(
    homes: tuple[Path, Path],
) -> None:
    first, second = homes
    with launched(second) as there:
        port = port_of(there)
    servers = f'["http://127.0.0.1:{port}"]'
    with launched(first, SHORTLINE_SERVERS=servers) as here:
        assert models(here) == ["echo"]
        with launched(second, SHORTLINE_OPENAI_API__PORT=port):
            until(lambda: models(here) == ["echo", "far"], 20)
            assert "one two three" in says(here)
        refused = command(first, "leave", f"local-{port}")
        assert (refused.returncode, "stands in configs/" in refused.stdout) == (2, True)
