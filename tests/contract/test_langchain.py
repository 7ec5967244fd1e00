"""langchain-tests' suites with langchain-openai's classes, over our engines and over a provider."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.contract.suites.fleet import fleet
from tests.contract.suites.running import run_suite

SUITE = "tests/contract/suites/langchain_suite.py"
NEVER = {"test_stream_time"}
"""Measures a client's own time on a recording."""
SEEING = {
    "test_anthropic_inputs",
    "test_audio_inputs",
    "test_image_inputs",
    "test_image_tool_message",
    "test_pdf_inputs",
    "test_pdf_tool_message",
}
OVER_ITS_HEAD = {
    # It was taught what Shortline is, and nothing else. What it says keeps to its form, and means
    # nothing: which keys, which numbers, whether to call, and how often.
    "test_agent_loop",
    "test_json_mode",
    "test_structured_output_pydantic_2_v1",
    "test_tool_calling",
    "test_tool_calling_async",
    "test_tool_calling_with_no_arguments",
    "test_unicode_tool_call_integration",
}
"""What may fail with the bundled model, of 5 MB."""


def names_of(found: Iterable[str], kind: str) -> set[str]:
    """Of tests in classes of this kind, without what they were called with."""
    names = (name.rpartition(".")[2].partition("::") for name in found)
    return {test.partition("[")[0] for group, _, test in names if group.startswith(f"Test{kind}")}


async def test_what_langchain_asks_of_models_is_done(tmp_path: Path) -> None:
    async with fleet() as url:
        found = await run_suite(SUITE, report=tmp_path / "report.xml", SUITE_URL=url)
    wrong = {name: how for name, how in found.failed.items() if "Bundled" not in name}
    assert wrong == {}
    assert names_of(found.failed, "Bundled") <= OVER_ITS_HEAD, found.failed
    assert names_of(found.skipped, "Provider") == NEVER
    assert names_of(found.skipped, "Engine") == NEVER | SEEING
    assert names_of(found.skipped, "Bundled") == NEVER | SEEING
    assert names_of(found.skipped, "Embeddings") == set()
    assert len(found.passed) >= 98 + 86 + 34 + 10


async def test_a_picture_for_a_model_that_only_reads_is_refused_plainly() -> None:
    picture = "data:image/png;base64,AA=="
    chat: Any = [{"type": "image_url", "image_url": {"url": picture}}]
    items: Any = [{"role": "user", "content": [{"type": "input_image", "image_url": picture}]}]
    async with fleet() as url, AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        with pytest.raises(BadRequestError, match="reads text only") as refused:
            await client.chat.completions.create(
                model="mini", messages=[{"role": "user", "content": chat}]
            )
        assert refused.value.code == "invalid_value"
        with pytest.raises(BadRequestError, match="reads text only"):
            await client.responses.create(model="mini", input=items)
