"""A real gateway that speaks Responses, and strict readers of what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from openai.types.responses import Response, ResponseItemList, ResponseStreamEvent
from pydantic import SecretStr, TypeAdapter

from server.core.clock import Clock, SystemClock
from server.core.settings import GatewaySettings
from server.gateway.app import Gateway, edge_of
from server.gateway.parts import Parts
from server.web.drain import Drain
from server.wire.fleet import FleetView, WorkerView
from server.wire.process import GatewayProcess
from tests.fakes.live_server import live_server
from tests.gateway.conftest import SECRET, Served

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_NEVER_NULL = (
    "background", "frequency_penalty", "metadata", "parallel_tool_calls", "presence_penalty",
    "service_tier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs",
    "top_p", "truncation",
)  # fmt: skip
"""Of a response, as openresponses.org has it; `openai`'s types let some of them be null."""
_THERE = (
    "completed_at", "error", "incomplete_details", "instructions", "max_output_tokens",
    "max_tool_calls", "previous_response_id", "prompt_cache_key", "reasoning",
    "safety_identifier", "usage",
)  # fmt: skip
"""These may be null, and must be said."""


@asynccontextmanager
async def responding(
    *workers: WorkerView,
    ledger_file: str = "",
    settings: GatewaySettings | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Served]:
    process = GatewayProcess(
        name="openai_api gw",
        secret=SECRET,
        controller_url="http://127.0.0.1:9",
        gateway=settings or GatewaySettings(),
        ledger_file=ledger_file,
    )
    drain, clock = Drain(), clock or SystemClock()
    parts = Parts(process, drain, "", clock, id="gw")
    parts.fleet.apply(FleetView(workers=workers))
    edge = edge_of(parts, process, drain, clock)
    assert isinstance(edge.app, Gateway)
    responses = edge.app._responses
    async with (
        parts.customers.running(),
        live_server(edge) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield Served(url, parts.fleet, drain, client, parts)
        await drain.finish(0.0)
        await responses.close()
    await parts.aclose()


def keys_of(*texts: str) -> GatewaySettings:
    return GatewaySettings(api_keys=tuple(map(SecretStr, texts)))


def checked(said: dict[str, Any]) -> dict[str, Any]:
    """A response, once `openai` has read it strictly."""
    Response.model_validate_json(json.dumps(said), strict=True)
    assert not [name for name in _NEVER_NULL if said[name] is None]
    assert all(name in said for name in _THERE)
    for item in said["output"]:
        assert item["status"] != "in_progress"
    return said


def checked_list(said: dict[str, Any]) -> list[dict[str, Any]]:
    ResponseItemList.model_validate_json(json.dumps(said), strict=True)
    items: list[dict[str, Any]] = said["data"]
    assert items == [] or (said["first_id"], said["last_id"]) == (items[0]["id"], items[-1]["id"])
    return items


def events_in(stream: bytes, first: int = 0) -> list[dict[str, Any]]:
    """The events of a stream, once `openai` has read each strictly; numbered from `first` without a
    gap."""
    found = []
    for block in stream.removesuffix(b"\n\n").split(b"\n\n"):
        if block.startswith(b":"):
            continue
        name, _, data = block.partition(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        read = _EVENTS.validate_json(data.removeprefix(b"data: "), strict=True)
        assert name == f"event: {event['type']}".encode()
        assert read.type == event["type"]
        if "response" in event and event["response"]["status"] != "in_progress":
            checked(event["response"])
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(first, first + len(found)))
    return found
