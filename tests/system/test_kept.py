"""What clients were told of is there, whichever gateway told it and however that one ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.waiting import until as soon
from tests.system.launch import Launch, launched, until, write_home
from tests.system.test_gateways import GATEWAYS

pytestmark = [pytest.mark.system, pytest.mark.slow]

CLIENTS = 8
TURNS = 6


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home: Path = tmp_path_factory.mktemp("kept") / "home"
    write_home(home, slots=CLIENTS, options={"delay_ms": 5})
    with launched(home, "--llm-api", SHORTLINE_OPENAI_API__WORKERS="2") as started:
        yield started


async def ask(base_url: str, path: str, **fields: Any) -> dict[str, Any] | None:
    """On a connection of its own, so that both gateways get some; None: it was not answered."""
    body = {"model": "echo"} | fields
    async with httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client:
        try:
            answer = await client.post(path, json=body)
        except httpx.TransportError:
            return None
    told: dict[str, Any] = answer.json()
    return told if answer.status_code == 200 else None


async def all_of(base_url: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client:
        page: dict[str, Any] = {"has_more": True, "last_id": None}
        while page["has_more"]:
            query: dict[str, Any] = {"limit": 100, "order": "asc"}
            query |= {"after": page["last_id"]} if page["last_id"] else {}
            page = (await client.get(path, params=query)).json()
            found += page["data"]
    return found


async def test_a_gateway_that_is_killed_loses_nothing_that_it_has_told(running: Launch) -> None:
    url = running.base_url
    talk = await ask(url, "/conversations")
    assert talk is not None
    told: list[tuple[str, str]] = []
    chats: list[str] = []

    async def talks(me: int) -> None:
        for turn in range(TURNS):
            words = f"client {me} turn {turn}"
            said = await ask(url, "/responses", input=words, conversation=talk["id"])
            if said is not None:
                told.append((said["id"], words))
            asked = [{"role": "user", "content": words}]
            chat = await ask(url, "/chat/completions", messages=asked, store=True)
            if chat is not None:
                chats.append(chat["id"])

    talking = [asyncio.create_task(talks(number)) for number in range(CLIENTS)]
    async with asyncio.timeout(60):
        await soon(lambda: len(told) >= CLIENTS, limit_s=30)
        running.kill(GATEWAYS[0])
        await asyncio.gather(*talking)
    until(lambda: running.child(GATEWAYS[0]).status == "ready", 15)
    assert len(told) > CLIENTS
    items = await all_of(url, f"/conversations/{talk['id']}/items")
    questions = [one["content"][0]["text"] for one in items if one["role"] == "user"]
    assert [one["role"] for one in items] == ["user", "assistant"] * (len(items) // 2)
    assert {words for _, words in told} <= set(questions)
    assert len(questions) == len(set(questions))
    assert set(chats) <= {chat["id"] for chat in await all_of(url, "/chat/completions")}
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        for id, _ in told:
            assert (await client.get(f"/responses/{id}")).status_code == 200
