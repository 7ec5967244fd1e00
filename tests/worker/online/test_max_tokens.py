"""The most tokens of an answer, as each provider calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from server.core.provider_settings import ProviderSettings
from server.wire.fleet import TRANSLATED_HEADER
from tests.fakes.upstream import says, upstream, whole
from tests.worker.online.test_relay import ASK, CHAT, worker_of

NAMES = ("max_tokens", "max_completion_tokens")
PROVIDERS = Path(__file__).parents[3] / "configs/providers"
TRANSLATED = {TRANSLATED_HEADER: "1"}


@pytest.mark.parametrize("said", NAMES)
@pytest.mark.parametrize("theirs", NAMES)
async def test_a_translated_request_has_the_name_that_the_provider_knows(
    said: str, theirs: str
) -> None:
    async with (
        upstream(says(whole(b"{}"))) as fake,
        worker_of(fake, max_tokens_field=theirs) as client,
    ):
        ask = ASK | {said: 5, "user": "u"}
        assert (await client.post(CHAT, json=ask, headers=TRANSLATED)).status_code == 200
        sent = json.loads(fake.received[0].body)
        assert sent == ASK | {"model": "theirs", theirs: 5, "user": "u"}


@pytest.mark.parametrize("said", NAMES)
async def test_the_fields_of_a_chat_pass_as_they_came(said: str) -> None:
    async with upstream(says(whole(b"{}"))) as fake, worker_of(fake) as client:
        body = b'{ "model":"ours", "messages":[], "%b": 5 }' % said.encode()
        assert (await client.post(CHAT, content=body)).status_code == 200
        assert fake.received[0].body == body.replace(b"ours", b"theirs")


def test_openai_alone_knows_the_newer_name_only() -> None:
    found = [yaml.safe_load(file.read_text("utf-8")) for file in PROVIDERS.glob("*.yaml")]
    settings = [ProviderSettings.model_validate(each) for each in found]
    newer = [each.name for each in settings if each.max_tokens_field != "max_tokens"]
    assert newer == ["openai"]
