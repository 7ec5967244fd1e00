from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.core.provider_settings import ProviderSettings
from server.core.settings import ModelSettings
from server.launcher.setup.choice import Choice, choose
from server.launcher.setup.providers import Provider
from server.launcher.wanted import Wanted

ON = Wanted(gateway=True, local=True, online=True)


def model(name: str, *, enabled: bool = True) -> ModelSettings:
    return ModelSettings(name=name, path="x", enabled=enabled)


def provider(name: str, *missing: str) -> Provider:
    settings = ProviderSettings(name=name, base_url="https://a.example")
    return Provider(Path(f"{name}.yaml"), settings, None, missing)


def names(choice: Choice) -> list[str]:
    return [m.name for m in choice.models] + [p.settings.name for p in choice.providers]


MODELS = [model("a"), model("b"), model("off", enabled=False)]
PROVIDERS = [provider("p"), provider("q", "Q_KEY")]


def test_without_names_all_that_is_enabled_and_switched_on_is_started() -> None:
    assert names(choose(ON, MODELS, PROVIDERS)) == ["a", "b", "p"]


def test_with_names_only_those_are_started() -> None:
    wanted = Wanted(gateway=True, local=True, online=True, names=("b", "p"))
    assert names(choose(wanted, MODELS, PROVIDERS)) == ["b", "p"]


def test_a_model_that_is_not_enabled_is_started_by_its_name() -> None:
    wanted = Wanted(gateway=True, local=True, names=("off",))
    assert names(choose(wanted, MODELS, PROVIDERS)) == ["off"]


def test_the_name_of_an_adapter_starts_the_model_that_it_stands_over() -> None:
    tuned = model("base", enabled=False).model_copy(update={"adapters": {"pirate": "x"}})
    wanted = Wanted(gateway=True, local=True, names=("pirate",))
    assert names(choose(wanted, [*MODELS, tuned], PROVIDERS)) == ["base"]


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    wanted = Wanted(gateway=True, local=True, names=("c", "d"))
    with pytest.raises(ConfigError) as caught:
        choose(wanted, MODELS, PROVIDERS)
    assert len(caught.value.problems) == 2
    assert "'c'; configs/fleet.yaml has: a, b, off; configs/providers has: p, q" in str(
        caught.value
    )


def test_a_named_provider_without_its_key_says_which() -> None:
    wanted = Wanted(gateway=True, online=True, names=("q",))
    with pytest.raises(ConfigError, match="'q' is switched off: Q_KEY not set"):
        choose(wanted, MODELS, PROVIDERS)


def test_a_name_that_the_flags_do_not_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="-n a: the other flags do not start it"):
        choose(Wanted(gateway=True, names=("a",)), MODELS, PROVIDERS)


def test_a_gateway_may_start_without_a_model() -> None:
    assert names(choose(Wanted(gateway=True, local=True), [], [])) == []


def test_workers_without_a_model_or_provider_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        choose(Wanted(local=True, online=True), [], [provider("q", "Q_KEY")])
    assert "no local model is configured" in caught.value.problems[0]
    assert "q: Q_KEY not set" in caught.value.problems[1]
