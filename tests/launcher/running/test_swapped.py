from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from server.core.settings import FleetSettings, ModelSettings
from server.launcher.running.keeper import Keeper
from server.launcher.running.swapped import Swapped
from server.launcher.running.wishes import Wishes
from server.launcher.setup.choice import Choice
from server.launcher.setup.plan import ChildPlan, Maker
from server.launcher.wanted import Wanted
from server.wire.process import Request


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "swapped.json"


def plan_of(path: str, name: str = "a") -> ChildPlan:
    maker = Maker(FleetSettings(), SecretStr("s" * 32))
    model = ModelSettings(name=name, path=path)
    return maker.children(Wanted(local=True), Choice((model,), ()))[0]


def path_of(plan: ChildPlan) -> str:
    assert plan.model is not None
    return plan.model.path


def test_weights_that_were_swapped_are_known_to_the_next_launcher(file: Path) -> None:
    assert Swapped(file).remember(plan_of("/old").loading_from("/new"))
    again = Swapped(file)
    assert again.forget_outdated([plan_of("/old")]) == []
    plan = again.applied(plan_of("/old"))
    assert (path_of(plan), plan.instead_of) == ("/new", "/old")
    assert plan.swapped == {"path": "/new", "instead_of": "/old"}
    assert path_of(again.applied(plan_of("/old", "b"))) == "/old"
    assert file.stat().st_mode & 0o777 == 0o600


def test_twice_swapped_it_is_still_told_from_the_settings(file: Path) -> None:
    Swapped(file).remember(plan_of("/old").loading_from("/new").loading_from("/newer"))
    assert path_of(Swapped(file).applied(plan_of("/old"))) == "/newer"


def test_a_change_of_the_settings_has_the_last_word_and_that_is_said(file: Path) -> None:
    Swapped(file).remember(plan_of("/old").loading_from("/new"))
    again = Swapped(file)
    (said,) = again.forget_outdated([plan_of("/other")])
    assert "/new" in said
    assert "settings count" in said
    assert path_of(again.applied(plan_of("/other"))) == "/other"
    assert path_of(Swapped(file).applied(plan_of("/old"))) == "/old"


def test_settings_that_say_the_same_by_now_need_no_words(file: Path) -> None:
    Swapped(file).remember(plan_of("/old").loading_from("/new"))
    again = Swapped(file)
    assert again.forget_outdated([plan_of("/new")]) == []
    assert json.loads(file.read_text()) == {}
    assert again.applied(plan_of("/new")).instead_of is None


def test_what_is_swapped_back_is_forgotten(file: Path) -> None:
    swapped = Swapped(file)
    swapped.remember(plan_of("/old").loading_from("/new"))
    swapped.remember(plan_of("/old").loading_from("/new").loading_from("/old"))
    assert json.loads(file.read_text()) == {}


def test_a_model_that_is_not_started_this_time_keeps_its_line(file: Path) -> None:
    Swapped(file).remember(plan_of("/old").loading_from("/new"))
    Swapped(file).forget_outdated([plan_of("/x", "b")])
    assert path_of(Swapped(file).applied(plan_of("/old"))) == "/new"


@pytest.mark.parametrize("text", ["", "[]", '{"a": "/new"}', "\x00\xff"])
def test_a_file_that_makes_no_sense_is_told_and_stops_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    swapped = Swapped(file)
    assert str(file) in swapped.unreadable
    assert path_of(swapped.applied(plan_of("/old"))) == "/old"


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    swapped = Swapped(tmp_path / "no/such/swapped.json")
    assert not swapped.remember(plan_of("/old").loading_from("/new"))


async def test_the_same_weights_once_more_are_no_news_though_others_came_meanwhile(
    file: Path,
) -> None:
    swapped, old = Swapped(file), plan_of("/old")

    async def slow(_keeper: Keeper, _path: str) -> bool:
        swapped.remember(old.loading_from("/new"))  # who asked before was done first
        return True

    said: list[str] = []
    wishes = Wishes(cast(Any, None), cast(Any, None), said.append, 1.0, slow, swapped)
    again = Request(ask="swap", child=old.name, path="")
    await wishes.fulfil(again, cast(Any, SimpleNamespace(plan=old)))
    assert said[-1] == f"{old.name} is swapped."
    assert path_of(Swapped(file).applied(old)) == "/new"
