from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.core.config import read_settings
from server.core.errors import ConfigError
from server.core.provider_settings import ProviderSettings
from server.core.settings import FleetSettings


def problems(text: str, tmp_path: Path, environ: dict[str, str] | None = None) -> list[str]:
    file = tmp_path / "fleet.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(FleetSettings, file, environ=environ)
    return [problem.replace(str(file), "fleet.yaml") for problem in caught.value.problems]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = read_settings(FleetSettings, tmp_path / "none.yaml")
    assert (settings.openai_api.port, settings.controller.port) == (20000, 20001)


def test_the_shipped_file_is_valid_and_says_the_defaults() -> None:
    shipped = read_settings(FleetSettings, Path("configs/fleet.yaml"), Path("configs/app.yaml"))
    assert shipped.model_copy(update={"models": ()}) == FleetSettings()
    assert {model.name for model in shipped.models} >= {"shortline-mini", "all-MiniLM-L6-v2"}


def test_every_shipped_provider_is_valid_and_named_after_its_file() -> None:
    files = sorted(Path("configs/providers").glob("*.yaml"))
    assert len(files) >= 9
    for file in files:
        assert read_settings(ProviderSettings, file).name == file.stem


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = "controller:\n  port: 80a\n  prot: 1\nmodels:\n  - name: a\n    slots: 0\n    path: x\n"
    assert problems(text, tmp_path) == [
        "fleet.yaml, line 2: controller.port: Input should be a valid integer, "
        "unable to parse string as an integer, not '80a'",
        "fleet.yaml, line 3: controller.prot: there is no such setting",
        "fleet.yaml, line 6: models.0.slots: Input should be greater than or equal to 1, not 0",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("- 1", "expected keys and values"),
        ("controller: {port: 70000}", "less than or equal to 65535"),
        ("controller: {port: -1}", "greater than or equal to 0"),
        ("controller: {port: 1, port: 2}", "'port' stands here twice"),
        ("controller: 7", "controller"),
        ("controller: {secret: short}", "at least 32 characters"),
        ("openai_api: {host: 0.0.0.0}", "api_keys must be set"),
        ("controller: {host: 0.0.0.0}", "secret must be set"),
        ("openai_api: {api_keys: sk-mine-1234}", "a list is wanted"),
        ('openai_api: {host: 0.0.0.0, api_keys: [""]}', "at least 8 plain characters"),
        ("openai_api: {api_keys: [ключключ]}", "at least 8 plain characters"),
        ("models: [{name: a}]", "models.0.path: Field required"),
        ("models: [{name: a, path: '', engine: embeddings}]", "models.0.path: Field required"),
        ("models: [{name: a, path: b}, {name: a, path: c}]", "named more than once: a"),
        ("models: [{name: a, path: b, adapters: {a: c}}]", "named more than once: a"),
        (
            "models: [{name: a, path: b, adapters: {c: d}}, {name: c, path: b}]",
            "named more than once: c",
        ),
        ("models: [{name: a, path: b, adapters: {'c d': e}}]", "models.0.adapters.c d"),
        ("models: [{name: a, path: b, adapters: {c: ''}}]", "models.0.adapters.c"),
        ("models: [{name: a, path: b, adapters: [c]}]", "models.0.adapters"),
        ("models: [{name: ../a, path: b, speed: .nan}]", "speed"),
        ("models: [{name: 'a b', path: b}]", "models.0.name"),
        ("launcher: {start_deadline_s: -1}", "greater than 0"),
        ("launcher: {log_level: loud}", "'debug', 'info'"),
        ("controller: {dispatch: random}", "'shortest_queue' or 'lottery'"),
        ("api: {host: 0.0.0.0}", "no accounts"),
        ("api: {database: /x.db}", "a database starts with"),
        ("api: {gateway_url: h:1}", "an address starts with"),
        ("chat: {window_turns: 0}", "greater than or equal to 1"),
        ("models: [{name: a, path: b, device: gpu0}]", "'auto', 'cpu', 'cuda' or 'mps'"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, says: str, tmp_path: Path) -> None:
    assert any(says in problem for problem in problems(text, tmp_path))


def test_mistakes_that_hid_behind_others_are_told_with_them(tmp_path: Path) -> None:
    text = (
        "controller: {host: 0.0.0.0, port: 1, port: 80a}\n"
        "openai_api:\n"
        "  host: 0.0.0.0\n"
        "  prot: 1\n"
        "  routes: [{name: a, to: b}, {name: b, to: a}, {name: c, to: 7}]\n"
        "models:\n"
        "  - {name: m, path: x, slots: 0}\n"
        "  - {name: m, path: x}\n"
    )
    environ = {
        "SHORTLINE_MODELS__7__SLOTS": "1",
        "SHORTLINE_LAUNCHER": "{1",
        "SHORTLINE_CHAT__GRACE_S": "-1",
    }
    told = problems(text, tmp_path, environ)
    for part in (
        "line 1: 'port' stands here twice",
        "environment variable SHORTLINE_LAUNCHER: not JSON",
        "SHORTLINE_MODELS__7__SLOTS: models has no entry 7",
        "line 1: controller.port: Input should be a valid integer",
        "line 1: controller.secret: host '0.0.0.0' can be reached",
        "line 2: openai_api.api_keys: host '0.0.0.0' can be reached",
        "line 4: openai_api.prot: there is no such setting",
        "line 5: openai_api.routes.2.to: Input should be a valid tuple, not 7",
        "line 5: openai_api.routes: routes lead in a circle: a > b > a",
        "line 7: models.0.slots: Input should be greater",
        "line 6: models: named more than once: m",
        "environment variable SHORTLINE_CHAT__GRACE_S: Input should be greater",
    ):
        assert [part in problem for problem in told].count(True) == 1, (part, told)
    assert len(told) == 12


def test_beside_a_file_that_is_not_yaml_the_other_is_read(tmp_path: Path) -> None:
    files = two_files(tmp_path, "models: [", "api: {prot: 1}")
    environ = {"SHORTLINE_MODELS__0__SLOTS": "8", "SHORTLINE_CHAT": "[1"}
    with pytest.raises(ConfigError) as caught:
        read_settings(FleetSettings, *files, environ=environ)
    not_yaml, not_json, unknown = caught.value.problems
    assert "not YAML" in not_yaml
    assert "SHORTLINE_CHAT: not JSON" in not_json
    assert unknown == f"{files[1]}, line 1: api.prot: there is no such setting"


def test_of_a_file_that_is_not_yaml_nothing_else_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("name: [", "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(ProviderSettings, file)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("key", [{}, {"require_api_key": "perhaps"}, {"api_keys": ["short"]}])
def test_what_follows_from_a_mistake_is_not_told_as_another(
    key: dict[str, object], tmp_path: Path
) -> None:
    environ = {"SHORTLINE_OPENAI_API": json.dumps({"host": "0.0.0.0"} | key)}
    assert len(problems("", tmp_path, environ)) == 1


LONG = "1" * 5000


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        (f"controller: {{port: {LONG}}}", {}),
        (f"controller: {{port: 0x{LONG}}}", {}),
        (f"controller: {{port: {LONG[:4000]}}}", {}),
        (f"models: [{{name: a, path: b, speed: {LONG[:4000]}}}]", {}),
        ("", {"SHORTLINE_CONTROLLER__PORT": LONG}),
        ("", {"SHORTLINE_CONTROLLER": f'{{"port": {LONG}}}'}),
        ("", {"SHORTLINE_CONTROLLER__PORT": "x" * 5000}),
    ],
)
def test_a_very_long_value_is_refused_in_a_short_line_of_ours(
    text: str, environ: dict[str, str], tmp_path: Path
) -> None:
    (told,) = problems(text, tmp_path, environ)
    assert "set_int_max_str_digits" not in told
    assert len(told) < 200


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_settings(FleetSettings, file)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("openai_api: {port: 1}\nmodels: [{name: a, path: b}]")
    settings = read_settings(
        FleetSettings,
        file,
        environ={
            "SHORTLINE_OPENAI_API__PORT": "0",
            "SHORTLINE_OPENAI_API__API_KEYS": '["sk-mine-1"]',
            "SHORTLINE_MODELS__0__SLOTS": "9",
            "OTHER": "x",
        },
    )
    assert settings.openai_api.port == 0
    assert settings.openai_api.api_keys[0].get_secret_value() == "sk-mine-1"
    assert settings.models[0].slots == 9


def test_a_mistake_in_the_environment_names_its_variable(tmp_path: Path) -> None:
    environ = {"SHORTLINE_OPENAI_API__PORT": "x", "SHORTLINE_NOPE__X": "1"}
    told = problems("", tmp_path, environ)
    assert told[0].startswith("environment variable SHORTLINE_OPENAI_API__PORT: ")
    assert told[1] == "environment variable SHORTLINE_NOPE: there is no such setting"


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("SHORTLINE_MODELS__7__SLOTS", "models has no entry 7 (entries are numbered: 0 to 1)"),
        ("SHORTLINE_MODELS__A__SLOTS", "models has no entry a (entries are numbered: 0 to 1)"),
        ("SHORTLINE_MODELS__-1__SLOTS", "models has no entry -1 (entries are numbered: 0 to 1)"),
        ("SHORTLINE_MODELS__1__GPUS__3", "models.1.gpus has no entry 3 (entries are numbered: 0 t"),
    ],
)
def test_an_entry_that_a_list_does_not_have_is_told(
    variable: str, says: str, tmp_path: Path
) -> None:
    text = "models: [{name: a, path: b}, {name: c, path: d, gpus: [0]}]"
    environ = {"SHORTLINE_MODELS__0__SLOTS": "8", variable: "2"}
    (told,) = problems(text, tmp_path, environ)
    assert told.startswith(f"environment variable {variable}: {says}")


def test_an_entry_that_stands_in_json_is_told_by_its_variable(tmp_path: Path) -> None:
    environ = {"SHORTLINE_MODELS": '{"7": {"slots": 2}}'}
    (told,) = problems("models: [{name: a, path: b}]", tmp_path, environ)
    assert told.startswith("environment variable SHORTLINE_MODELS: models has no entry 7 ")


def test_secrets_do_not_show(tmp_path: Path) -> None:
    environ = {"SHORTLINE_CONTROLLER__SECRET": "canary" * 8}
    settings = read_settings(FleetSettings, tmp_path / "none", environ=environ)
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings.model_dump())
    assert (
        problems("", tmp_path, {"SHORTLINE_CONTROLLER__SECRET": "canary"})[0].count("canary") == 0
    )


def two_files(tmp_path: Path, fleet: str, app: str) -> tuple[Path, Path]:
    files = tmp_path / "fleet.yaml", tmp_path / "app.yaml"
    for file, text in zip(files, (fleet, app), strict=True):
        file.write_text(text, "utf-8")
    return files


def test_two_files_and_one_environment_are_one_set_of_settings(tmp_path: Path) -> None:
    files = two_files(tmp_path, "openai_api: {port: 1}\n", "api: {port: 2}\nchat: {system: x}\n")
    environ = {"SHORTLINE_API__PORT": "0", "SHORTLINE_CHAT__GRACE_S": "5"}
    settings = read_settings(FleetSettings, *files, environ=environ)
    assert (settings.openai_api.port, settings.api.port) == (1, 0)
    assert (settings.chat.system, settings.chat.grace_s) == ("x", 5)


def test_mistakes_in_two_files_and_the_environment_are_told_once_each(tmp_path: Path) -> None:
    files = two_files(tmp_path, "openai_ap: {}\n", "\napi: {prot: 2}\n")
    environ = {"SHORTLINE_NOPE__X": "1", "SHORTLINE_CHAT__NOPE": "1"}
    with pytest.raises(ConfigError) as caught:
        read_settings(FleetSettings, *files, environ=environ)
    assert sorted(caught.value.problems) == [
        f"{files[1]}, line 2: api.prot: there is no such setting",
        f"{files[0]}, line 1: openai_ap: there is no such setting",
        "environment variable SHORTLINE_CHAT__NOPE: there is no such setting",
        "environment variable SHORTLINE_NOPE: there is no such setting",
    ]


def test_a_section_stands_in_one_file_only(tmp_path: Path) -> None:
    files = two_files(tmp_path, "api: {port: 1}\n", "\napi: {port: 2}\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(FleetSettings, *files)
    assert caught.value.problems == [
        f"{files[1]}, line 2: 'api' stands in {files[0]}, line 1 as well"
    ]


def test_two_files_that_are_not_yaml_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(FleetSettings, *two_files(tmp_path, "a: [", "b: ["))
    assert len(caught.value.problems) == 2


def test_the_gateways_address_is_kept_without_its_path(tmp_path: Path) -> None:
    environ = {"SHORTLINE_API__GATEWAY_URL": "http://h:1/v1/"}
    settings = read_settings(FleetSettings, tmp_path / "none", environ=environ)
    assert settings.api.gateway_url == "http://h:1"


def test_a_list_of_models_that_is_all_comments_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("models:\n  # - name: a\n")
    assert read_settings(FleetSettings, file).models == ()


def test_a_variable_of_the_build_is_no_setting(tmp_path: Path) -> None:
    environ = {"SHORTLINE_WEB": "require"}
    assert read_settings(FleetSettings, tmp_path / "none", environ=environ) == FleetSettings()


def test_a_model_that_loads_nothing_needs_no_path(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("models: [{name: a, engine: echo}]", "utf-8")
    (model,) = read_settings(FleetSettings, file).models
    assert model.path == ""
