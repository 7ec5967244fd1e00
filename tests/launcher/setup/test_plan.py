from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from server.core.provider_settings import ProviderSettings
from server.core.settings import (
    AppSettings,
    ControllerSettings,
    FleetSettings,
    GatewaySettings,
    LauncherSettings,
    ModelSettings,
)
from server.launcher.setup.choice import Choice
from server.launcher.setup.dotenv import childrens_environ
from server.launcher.setup.plan import MODULES, ChildPlan, Maker
from server.launcher.setup.providers import Provider
from server.launcher.wanted import Wanted
from server.wire.process import (
    AppProcess,
    ControllerProcess,
    GatewayProcess,
    ModelWorkerProcess,
    OnlineWorkerProcess,
    app_key,
)

ON = Wanted(gateway=True, local=True, online=True)
PROVIDER = Provider(
    Path("p.yaml"),
    ProviderSettings(name="p", base_url="https://a.example", models=["m1", "a"]),
    SecretStr("sk-1"),
    (),
)


def children(
    *models: ModelSettings, wanted: Wanted = ON, providers: tuple[Provider, ...] = ()
) -> list[ChildPlan]:
    settings = FleetSettings(launcher=LauncherSettings(start_deadline_s=99))
    return Maker(settings, SecretStr("s" * 40)).children(wanted, Choice(models, providers))


def test_the_controller_is_first_and_the_gateway_second() -> None:
    plans = children(ModelSettings(name="a", path="x"), providers=(PROVIDER,))
    assert [plan.name for plan in plans] == [
        "controller",
        "openai_api",
        "model_worker a",
        "online_api p",
    ]
    assert [plan.module for plan in plans] == [MODULES[plan.role] for plan in plans]


def test_each_replica_is_a_process_with_a_name_of_its_own() -> None:
    plans = children(ModelSettings(name="a", path="x", replicas=3), wanted=Wanted(local=True))
    names = ["model_worker a", "model_worker a#2", "model_worker a#3"]
    assert [plan.name for plan in plans] == names
    assert [plan.settings.name for plan in plans] == names


def test_the_gateway_expects_each_model_once() -> None:
    model = ModelSettings(name="a", path="x", replicas=2)
    gateway = children(model, providers=(PROVIDER,))[1].settings
    assert isinstance(gateway, GatewayProcess)
    assert gateway.expected_models == ("a", "m1")


def test_an_adapter_is_a_model_that_the_process_of_its_base_serves() -> None:
    model = ModelSettings(name="a", path="x", adapters={"b": "y", "c": "z"})
    _, gateway, worker = children(model)
    assert worker.serves == ("a", "b", "c")
    assert isinstance(gateway.settings, GatewayProcess)
    assert gateway.settings.expected_models == ("a", "b", "c")


def test_gpus_and_threads_are_in_the_environment_from_the_start() -> None:
    model = ModelSettings(name="a", path="x", gpus=(2, 0), threads=3)
    (plan,) = children(model, wanted=Wanted(local=True))
    assert plan.env["CUDA_VISIBLE_DEVICES"] == "2,0"
    assert plan.env["OMP_NUM_THREADS"] == "3"
    assert plan.env["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert plan.env["TOKENIZERS_PARALLELISM"] == "false"


def test_without_gpus_and_threads_the_environment_decides() -> None:
    (plan,) = children(ModelSettings(name="a", path="x"), wanted=Wanted(local=True))
    assert not {"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"} & set(plan.env)


def test_models_may_load_long_and_servers_may_not() -> None:
    deadlines = [plan.deadline_s for plan in children(ModelSettings(name="a", path="x"))]
    assert deadlines == [15, 15, 99]


def test_a_key_reaches_its_own_worker_in_the_settings_line_and_nothing_else() -> None:
    plans = children(ModelSettings(name="a", path="x"), providers=(PROVIDER,))
    *others, online = plans
    assert isinstance(online.settings, OnlineWorkerProcess)
    assert json.loads(online.settings.model_dump_json())["api_key"] == "sk-1"
    assert not any("sk-1" in plan.settings.model_dump_json() for plan in others)
    assert not any("sk-1" in str(plan.env) or "sk-1" in repr(plan) for plan in plans)


def test_children_see_neither_our_settings_nor_keys() -> None:
    environ = {"PATH": "/bin", "HTTPS_PROXY": "x", "SHORTLINE_A__B": "1", "OPENAI_API_KEY": "sk"}
    seen = childrens_environ(environ, frozenset({"OPENAI_API_KEY"}))
    assert seen == {"PATH": "/bin", "HTTPS_PROXY": "x"}


def test_all_but_the_controller_learn_where_it_is() -> None:
    controller, gateway, worker = children(ModelSettings(name="a", path="x"))
    assert controller.joining("http://c:1") == controller
    for plan in (gateway, worker):
        settings = plan.joining("http://c:1").settings
        assert isinstance(settings, GatewayProcess | ModelWorkerProcess)
        assert settings.controller_url == "http://c:1"


def test_servers_keep_the_port_they_got_and_workers_do_not() -> None:
    controller, gateway, worker = children(ModelSettings(name="a", path="x"))
    assert controller.keeping("http://127.0.0.1:4711").settings.port == 4711
    assert gateway.keeping("http://[::1]:4712").settings.port == 4712
    assert worker.keeping("http://127.0.0.1:4713").settings.port == 0


def test_where_the_gateway_demands_keys_the_controller_is_closed_too() -> None:
    def closed(settings: FleetSettings) -> bool:
        plan = Maker(settings, SecretStr("s" * 40)).children(ON, Choice((), ()))[0]
        assert isinstance(plan.settings, ControllerProcess)
        return plan.settings.closed

    assert not closed(FleetSettings())
    assert closed(FleetSettings(openai_api=GatewaySettings(api_keys=(SecretStr("sk-mine-1"),))))
    wide = ControllerSettings(host="0.0.0.0", secret=SecretStr("s" * 40))
    assert closed(FleetSettings(controller=wide))


def test_the_gateway_chooses_as_the_controller_is_told_to() -> None:
    settings = FleetSettings(controller=ControllerSettings(dispatch="lottery"))
    gateway = Maker(settings, SecretStr("s" * 40)).children(ON, Choice((), ()))[1].settings
    assert isinstance(gateway, GatewayProcess)
    assert gateway.dispatch == "lottery"


def app_of(settings: FleetSettings, wanted: Wanted) -> AppProcess:
    maker = Maker(settings, SecretStr("s" * 40), database="sqlite:x", state_file="/s")
    model = ModelSettings(name="a", path="x")
    plans = maker.children(wanted, Choice((model,) if wanted.local else (), ()))
    (app,) = [plan.settings for plan in plans if plan.role == "api"]
    assert isinstance(app, AppProcess)
    return app


def test_the_app_server_learns_what_it_needs() -> None:
    keys = GatewaySettings(api_keys=(SecretStr("sk-mine-1"), SecretStr("sk-mine-2")))
    wanted = replace(ON, app=True)
    app = app_of(FleetSettings(openai_api=keys), wanted)
    assert app.gateway_key == app_key(SecretStr("s" * 40))
    assert (app.database, app.state_file, app.port, app.webui) == ("sqlite:x", "/s", 7861, False)
    assert app.expected_models == ("a",)
    assert app_of(FleetSettings(), replace(wanted, webui=True)).webui


def test_the_web_chat_is_told_of_models_to_talk_with_only() -> None:
    kinds = ("transformers", "embeddings", "rerank", "echo")
    models = [ModelSettings(name=kind, path="x", engine=kind) for kind in kinds]
    plans = children(*models, wanted=Wanted(local=True, gateway=True, app=True))
    (app,) = [plan.settings for plan in plans if isinstance(plan.settings, AppProcess)]
    assert app.expected_models == ("transformers", "echo")


def test_to_another_gateway_the_app_server_is_a_customer() -> None:
    keys = FleetSettings(openai_api=GatewaySettings(api_keys=(SecretStr("sk-mine-1"),)))
    maker = Maker(keys, SecretStr("s" * 40), gateway_url="http://theirs:1")
    (plan,) = maker.children(Wanted(app=True), Choice((), ()))
    assert isinstance(plan.settings, AppProcess)
    assert plan.settings.gateway_key == SecretStr("sk-mine-1")


def test_several_gateways_share_one_port() -> None:
    settings = FleetSettings(openai_api=GatewaySettings(workers=3))
    plans = [
        p
        for p in Maker(settings, SecretStr("s" * 40)).children(ON, Choice((), ()))
        if p.role == "openai_api"
    ]
    assert [plan.name for plan in plans] == ["openai_api", "openai_api#2", "openai_api#3"]
    assert all(plan.settings.shared_port for plan in plans)
    assert {plan.keeping("http://127.0.0.1:7").settings.port for plan in plans} == {7}


def test_the_app_servers_own_settings_come_first() -> None:
    url = "postgresql+asyncpg://u:p@h/n"
    own = AppSettings(gateway_key=SecretStr("sk-1"), database=url)
    app = app_of(FleetSettings(api=own), Wanted(app=True))
    assert app.gateway_key == SecretStr("sk-1")
    assert app.database == url
    assert "u:p" not in repr(app)


def test_only_an_app_server_that_was_told_of_no_gateway_asks_ours() -> None:
    for known, asked in (("", "http://ours:1"), ("http://theirs:1", "http://theirs:1")):
        maker = Maker(FleetSettings(), SecretStr("s" * 40), gateway_url=known)
        (plan,) = maker.children(Wanted(app=True), Choice((), ()))
        settings = plan.asking("http://ours:1").settings
        assert isinstance(settings, AppProcess)
        assert settings.gateway_url == asked
