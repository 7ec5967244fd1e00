"""A provider that does not take our key: clients see 502, operators see which model it is."""

from __future__ import annotations

import pytest

from server.gateway.breaker import OPENS_AFTER
from tests.fakes.upstream import Script, says, upstream, whole
from tests.gateway.conftest import Served, gateway, view

CHAT = "/v1/chat/completions"
NO_KEY = says(whole(b'{"error":{"code":"provider_refused","message":"x"}}', "502 Bad Gateway"))
NO_SECRET = says(whole(b'{"error":{"code":"bad_secret"}}', "401 Unauthorized"))
ODD = says(whole(b'{"error":{"code":"provider_refused"}', "502 Bad Gateway"))


def failed(served: Served) -> dict[str, int]:
    """Attempts, by trouble."""
    (series,) = served.parts.sight.numbers().series
    return series.failures


async def asked(served: Served, ask: dict[str, object]) -> tuple[int, str]:
    answer = await served.client.post(CHAT, json=ask)
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("script", "code"), [(NO_KEY, "provider_refused"), (NO_SECRET, "worker_refused")]
)
async def test_it_is_told_apart_from_a_worker_that_fails_also_while_the_breaker_is_open(
    ask: dict[str, object], script: Script, code: str
) -> None:
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        for _ in range(OPENS_AFTER["denied"]):
            assert await asked(served, ask) == (502, code)
        assert await asked(served, ask) == (502, "worker_refused")
        assert failed(served) == {"denied": OPENS_AFTER["denied"]}
        text = (await served.client.get("/metrics")).text
        setup = [line for line in text.splitlines() if 'model="m"' in line and '"setup"' in line]
        assert [line.rpartition(" ")[2] for line in setup] == [f"{OPENS_AFTER['denied'] + 1}.0"]


async def test_words_that_are_no_json_are_an_ordinary_failure(ask: dict[str, object]) -> None:
    async with upstream(ODD) as worker, gateway(view(worker.url)) as served:
        assert (await served.client.post(CHAT, json=ask)).status_code == 502
        assert failed(served) == {"failed": 1}
