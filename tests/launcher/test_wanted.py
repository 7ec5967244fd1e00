from __future__ import annotations

import pytest

from server.launcher.cli import build_parser
from server.launcher.wanted import Wanted, wanted


def wish(*argv: str) -> Wanted:
    return wanted(build_parser().parse_args(argv))


@pytest.mark.parametrize(
    ("flag", "webui"), [("-a", True), ("--all-webui", True), ("--all-api", False)]
)
def test_everything_is_the_whole_fleet_and_the_app(flag: str, webui: bool) -> None:
    assert wish(flag) == Wanted(gateway=True, local=True, online=True, app=True, webui=webui)


def test_llm_api_is_everything_but_the_app() -> None:
    assert wish("--llm-api") == Wanted(gateway=True, local=True, online=True)


def test_openai_api_alone_starts_no_worker() -> None:
    asked = wish("-o")
    assert asked.controller
    assert asked.gateway
    assert not asked.workers


def test_model_workers_alone_join_a_controller() -> None:
    assert wish("-m") == Wanted(local=True)
    assert not wish("-m").controller


def test_lite_drops_the_local_models_of_any_other_flag() -> None:
    assert wish("-a", "-i") == Wanted(gateway=True, online=True, app=True, webui=True)
    assert wish("--lite") == Wanted(gateway=True, online=True)


def test_a_given_controller_replaces_ours() -> None:
    asked = wish("--llm-api", "-c", "http://10.0.0.1:20001")
    assert not asked.controller
    assert asked.gateway


def test_flags_add_up() -> None:
    assert wish("-o", "-p", "-n", "a", "b") == Wanted(gateway=True, online=True, names=("a", "b"))


def test_the_app_server_starts_alone_with_pages_or_without() -> None:
    assert wish("--api") == Wanted(app=True)
    assert wish("-w") == wish("--api", "-w") == Wanted(app=True, webui=True)
    assert wish("--api").anything


def test_names_alone_ask_for_nothing() -> None:
    assert not wish("-n", "a").anything
