from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.launcher.setup.providers import Provider, key_variables, read_providers

SHIPPED = Path(__file__).parents[3] / "configs/providers"
VARIABLES = {
    "openai": {"OPENAI_API_KEY": "sk-1"},
    "deepseek": {"DEEPSEEK_API_KEY": "sk-1"},
    "zhipu": {"ZHIPUAI_API_KEY": "sk-1"},
    "qwen": {"DASHSCOPE_API_KEY": "sk-1"},
    "moonshot": {"MOONSHOT_API_KEY": "sk-1"},
    "anthropic": {"ANTHROPIC_API_KEY": "sk-1"},
    "gemini": {"GEMINI_API_KEY": "sk-1"},
    "jina": {"JINA_API_KEY": "sk-1"},
    "cohere": {"COHERE_API_KEY": "sk-1"},
    "ollama": {"OLLAMA_BASE_URL": "http://127.0.0.1:11434/v1"},
    "vllm": {"VLLM_BASE_URL": "http://127.0.0.1:8000/v1"},
}


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)


def only(folder: Path, environ: dict[str, str]) -> Provider:
    (provider,) = read_providers(folder, environ)
    return provider


def test_every_shipped_provider_is_off_in_an_empty_environment() -> None:
    providers = read_providers(SHIPPED, {})
    assert {p.settings.name for p in providers} == set(VARIABLES)
    assert [p.settings.name for p in providers if p.is_on] == []


@pytest.mark.parametrize("name", VARIABLES)
def test_a_shipped_provider_is_switched_on_by_its_variable_alone(name: str) -> None:
    providers = read_providers(SHIPPED, VARIABLES[name])
    assert [p.settings.name for p in providers if p.is_on] == [name]


def test_an_optional_key_is_handed_over_when_it_is_there() -> None:
    environ = VARIABLES["vllm"] | {"VLLM_API_KEY": "sk-2"}
    (vllm,) = [p for p in read_providers(SHIPPED, environ) if p.is_on]
    assert vllm.key is not None
    assert vllm.key.get_secret_value() == "sk-2"


def test_a_blank_key_is_no_key(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: a\nbase_url: https://a.example\napi_key_env: A_KEY\n")
    provider = only(tmp_path, {"A_KEY": "  "})
    assert not provider.is_on
    assert provider.why_off == "A_KEY not set"


def test_a_provider_that_is_not_enabled_stays_off(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: a\nbase_url: https://a.example\nenabled: false\n")
    assert not only(tmp_path, {}).is_on


def test_the_variable_is_stronger_than_the_address_in_the_file(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: a\nbase_url: https://a.example\nbase_url_env: A_URL\n")
    assert only(tmp_path, {}).settings.base_url == "https://a.example"
    moved = only(tmp_path, {"A_URL": "http://b.example/v1/"})
    assert moved.settings.base_url == "http://b.example/v1"


def test_an_address_that_is_none_names_its_variable(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: a\nbase_url_env: A_URL\n")
    with pytest.raises(ConfigError, match="environment variable A_URL: an address starts with"):
        read_providers(tmp_path, {"A_URL": "localhost:11434"})


def test_two_files_with_one_name_and_a_bad_file_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: same\nbase_url: https://a.example\n")
    write(tmp_path, "b", "name: same\nbase_url: https://b.example\n")
    write(tmp_path, "c", "name: c\nbase_uri: https://c.example\n")
    with pytest.raises(ConfigError) as caught:
        read_providers(tmp_path, {})
    text = str(caught.value)
    assert "b.yaml: the name 'same' is taken by" in text
    assert "c.yaml, line 2: base_uri: there is no such setting" in text


def test_keys_of_providers_that_are_off_are_known_too() -> None:
    assert {"OPENAI_API_KEY", "VLLM_API_KEY"} <= key_variables(read_providers(SHIPPED, {}))


def test_a_key_shows_up_in_no_representation(tmp_path: Path) -> None:
    write(tmp_path, "a", "name: a\nbase_url: https://a.example\napi_key_env: A_KEY\n")
    assert "sk-hidden" not in repr(only(tmp_path, {"A_KEY": "sk-hidden"}))
