"""A conversation in fewer tokens, and how it goes on from there."""

from __future__ import annotations

import json

import pytest
from openai.types.responses import CompactedResponse

from server.gateway.dialects.responses.compacting import (
    MARK,
    Compacting,
    chat_for_summary,
    sealed,
    unsealed,
)
from server.gateway.dialects.responses.items import read_input
from server.gateway.dialects.responses.responses import RESPONSES
from tests.fakes.upstream import upstream
from tests.gateway.conftest import view
from tests.gateway.dialects.responses.conftest import keys_of, responding
from tests.gateway.dialects.responses.models import answer, speaks

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
TALK = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "data:,x"},
        ],
    },
    {"role": "assistant", "content": "I see."},
    CALL,
    {"type": "function_call_output", "call_id": "c", "output": "7"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
    {"type": "compaction", "encrypted_content": sealed("long ago")},
]
COMPACT = f"{RESPONSES}/compact"


def test_the_model_is_asked_for_a_summary_of_all_that_was_said() -> None:
    task, talk = chat_for_summary("m", "be brief", read_input(TALK, "x"))["messages"]
    assert "summary" in task["content"]
    assert talk == {
        "role": "user",
        "content": "instructions: be brief\n\nuser: see [image]\n\nassistant: I see.\n\n"
        "assistant calls f: {}\n\nresult: 7\n\nearlier: long ago",
    }


def test_what_the_user_said_stays_and_one_item_stands_for_the_rest() -> None:
    said = json.loads(answer(content="摘要"))
    told = Compacting("x", 5, read_input(TALK, "x")).whole(said)
    CompactedResponse.model_validate_json(json.dumps(told | {"output": told["output"][-1:]}))
    message, item = told["output"]
    assert (message["role"], item["type"]) == ("user", "compaction")
    assert unsealed(item["encrypted_content"]) == "摘要"
    assert (told["object"], told["created_at"]) == ("response.compaction", 5)
    assert told["usage"]["total_tokens"] == 9


@pytest.mark.parametrize("summary", [None, "", " \n", 5])
def test_a_summary_that_is_none_makes_no_sense(summary: object) -> None:
    with pytest.raises(ValueError, match="a summary is text"):
        Compacting("x", 5, []).whole(json.loads(answer(content=summary)))


@pytest.mark.parametrize("odd", ["", "gAAAA", MARK + "&&&", MARK + "_w==", MARK + "é"])
def test_what_was_sealed_elsewhere_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="not made here"):
        unsealed(odd)


async def test_a_conversation_goes_on_from_its_summary() -> None:
    async with upstream(speaks("in short")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(RESPONSES, json={"model": "m", "input": "hi"})
        before = {"model": "m", "previous_response_id": got.json()["id"]}
        compacted = (await served.client.post(COMPACT, json=before)).json()
        items = [*compacted["output"], {"role": "user", "content": "and?"}]
        again = await served.client.post(RESPONSES, json={"model": "m", "input": items})
        assert again.status_code == 200, again.text
        sent = json.loads(worker.received[-1].body)["messages"]
        assert [message["content"] for message in sent] == [
            "hi",
            "Summary of our conversation so far:\nin short",
            "and?",
        ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"model": "m", "input": [{"type": "compaction"}]}, "input[0].encrypted_content"),
        (
            {"model": "m", "input": [{"type": "compaction", "encrypted_content": "x"}]},
            "input[0].encrypted_content",
        ),
    ],
)
async def test_what_cannot_be_compacted_is_refused(body: dict[str, object], param: str) -> None:
    async with responding() as served:
        got = await served.client.post(COMPACT, json=body)
        assert (got.status_code, got.json()["error"]["param"]) == (400, param)


async def test_nobody_compacts_what_another_key_has_said() -> None:
    async with (
        upstream(speaks("x")) as worker,
        responding(view(worker.url), settings=keys_of("sk-of-one", "sk-of-two")) as served,
    ):
        one, two = ({"authorization": f"Bearer sk-of-{name}"} for name in ("one", "two"))
        got = await served.client.post(RESPONSES, json={"model": "m", "input": "hi"}, headers=one)
        before = {"model": "m", "previous_response_id": got.json()["id"]}
        assert (await served.client.post(COMPACT, json=before, headers=two)).status_code == 400
        assert (await served.client.post(COMPACT, json=before, headers=one)).status_code == 200
