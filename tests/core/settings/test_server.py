"""A joined server: its address says it all, and a bad one is refused with its reason."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from server.core.settings import FleetSettings, JoinedServer


@pytest.mark.parametrize(
    ("said", "url", "name"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", "local-8000"),
        ("http://localhost:11434/", "http://localhost:11434/v1", "local-11434"),
        ("http://GPU1:8000/v1", "http://gpu1:8000/v1", "gpu1-8000"),
        ("https://llm.example.org", "https://llm.example.org/v1", "llm-example-org-https"),
        ("http://a:1/serve/x/v1/", "http://a:1/serve/x/v1", "a-1-serve-x"),
        ("http://[::1]:8000", "http://[::1]:8000/v1", "local-8000"),
    ],
)
def test_an_address_alone_makes_a_server(said: str, url: str, name: str) -> None:
    server = JoinedServer.model_validate(said)
    assert (server.url, server.name) == (url, name)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gpu1:8000", "an address is needed"),
        ("ftp://gpu1", "an address is needed"),
        ("http://", "an address is needed"),
        ("http://gpu1:99999", "not an address"),
        ("http://gpu1:0", "port 0"),
        ("http://gpu 1", "no spaces"),
        ("http://user:pass@gpu1", "no name or password"),
        ("http://gpu1?key=1", "without"),
        ("http://169.254.169.254", "link-local"),
        ("http://[::ffff:169.254.169.254]", "link-local"),
        ("http://[fe80::1%25eth0]", "link-local"),
        ("http://0.0.0.0:8000", "0.0.0.0"),
        ("http://224.0.0.1", "multicast"),
        ("http://a/" + "x" * 1000, "at most 1000"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused_with_its_reason(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        JoinedServer(url=url)


@pytest.mark.parametrize("name", ["A", "a b", "-a", "a" * 64, "a\n"])
def test_a_name_is_part_of_a_processs_name(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        JoinedServer(url="http://a", name=name)


def test_two_of_one_address_or_name_are_a_mistake() -> None:
    with pytest.raises(ValidationError, match="same url"):
        FleetSettings.model_validate({"servers": ["http://a:1", "http://a:1/v1"]})
    with pytest.raises(ValidationError, match="same name"):
        two = [{"url": "http://a", "name": "x"}, {"url": "http://b", "name": "x"}]
        FleetSettings.model_validate({"servers": two})


def test_a_list_whose_lines_are_all_comments_is_empty() -> None:
    assert FleetSettings.model_validate({"servers": None}).servers == ()
