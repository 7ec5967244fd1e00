"""The gateways of others: how they are installed, started, and left out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml
from fastchat.conversation import Conversation, SeparatorStyle

from benchmarks.gateway import fastchat, peers
from benchmarks.gateway.answers import MODEL, read_ask, request_body
from benchmarks.gateway.environment import Unavailable, environment, last_error
from benchmarks.gateway.messages import Ask
from benchmarks.gateway.peer import Place, Started, open_peer
from benchmarks.gateway.peers._rust_router import RustRouter
from benchmarks.gateway.peers.fastchat import FastChat
from benchmarks.gateway.peers.litellm import LiteLLM
from benchmarks.gateway.process import running_foreign
from benchmarks.gateway.run import prepare
from benchmarks.gateway.upstream import Upstream
from benchmarks.gateway.ways import Limits
from tests.benchmarks.test_gateway import serving
from tests.fakes.waiting import until

UPSTREAM = "http://127.0.0.1:9"
NO_LIMITS = Limits()


def test_every_file_is_a_peer_and_pins_what_it_installs() -> None:
    assert peers.names() == ["fastchat", "litellm", "sglang-router", "vllm-router"]
    for name in peers.names():
        requirements = peers.find(name).requirements
        assert requirements and all("==" in requirement for requirement in requirements)


@pytest.mark.parametrize(
    ("name", "module", "quiet"),
    [
        ("vllm-router", "vllm_router.launch_router", "warning"),
        ("sglang-router", "sglang_router.launch_router", "warn"),
    ],
)
def test_a_rust_router_listens_on_loopback_only_in_front_of_one_worker(
    name: str, module: str, quiet: str
) -> None:
    peer = peers.find(name)
    assert isinstance(peer, RustRouter)
    command = peer.command(4001, 4002, UPSTREAM)
    assert command[:2] == ["-m", module]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options == {
        "--host": "127.0.0.1",
        "--port": "4001",
        "--prometheus-host": "127.0.0.1",
        "--prometheus-port": "4002",
        "--worker-urls": UPSTREAM,
        "--policy": "round_robin",
        "--log-level": quiet,
    }


def test_litellm_has_one_model_one_key_and_one_process() -> None:
    config = yaml.safe_load(LiteLLM().config(UPSTREAM, "sk-1"))
    [model] = config["model_list"]
    assert model["model_name"] == MODEL
    assert model["litellm_params"]["api_base"] == f"{UPSTREAM}/v1"
    assert config["general_settings"] == {"master_key": "sk-1"}
    command = LiteLLM().command("a.yaml", 4001)
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options["--config"] == "a.yaml"
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "4001")
    assert (options["--num_workers"], options["--telemetry"]) == ("1", "False")


def test_fastchats_api_server_is_told_its_controller() -> None:
    controller = FastChat().controller_command(4001)
    assert controller[-4:] == ["--host", "127.0.0.1", "--port", "4001"]
    assert FastChat().api_command("http://127.0.0.1:4001", 4002)[-2:] == [
        "http://127.0.0.1:4001",
        "4002",
    ]


def test_a_wish_survives_fastchats_prompt() -> None:
    ask = Ask(events=64, burst=16, every_ms=20.0)
    conversation = Conversation(
        **{**fastchat.CONVERSATION, "sep_style": SeparatorStyle(fastchat.CONVERSATION["sep_style"])}
    )
    conversation.append_message("user", request_body(ask).decode())
    conversation.append_message("assistant", None)
    assert read_ask(conversation.get_prompt().encode()) == ask


def test_fastchats_messages_hold_all_of_the_text_so_far() -> None:
    groups = fastchat.bursts(Ask(events=5, burst=2))
    assert [group.count(b"\0") for group in groups] == [2, 2, 2]  # the last one says why it ends
    texts = [part.split(b'"')[3] for part in b"".join(groups).split(b"\0")[:-1]]
    assert texts[:2] == [b"word000 ", b"word000 word001 "]
    assert texts[-2] == texts[-1]
    assert b'"finish_reason":"stop"' in groups[-1]


def test_an_environment_that_is_there_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = recorded(monkeypatch)
    made = environment(tmp_path, "one", ["a==1"])
    assert [command[:3] for command in commands] == [
        [sys.executable, "-m", "venv"],
        [str(made), "-m", "pip"],
    ]
    touch(made)
    assert environment(tmp_path, "one", ["a==1"]) == made
    assert len(commands) == 2
    environment(tmp_path, "one", ["a==2"])
    assert len(commands) == 4


def test_the_interpreter_of_a_relative_home_is_found_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert environment(Path("home"), "one", ["a==1"]) == tmp_path / "home" / "one/bin/python"


def test_a_peer_that_cannot_be_installed_is_left_out_in_words_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = recorded(monkeypatch, error="ERROR: No matching distribution found for x\n")
    for tries in (1, 2):
        prepared = prepare(["vllm-router"], tmp_path)
        assert prepared.pythons == {}
        assert prepared.left_out == {
            "vllm-router": "could not be installed: No matching distribution found for x"
        }
        assert len(commands) == 2 * tries


def test_a_home_that_cannot_be_a_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    prepared = prepare(["litellm"], tmp_path / "file" / "home")
    assert "could not be installed" in prepared.left_out["litellm"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ERROR: one\nERROR: two\nhint: x\n", "two"),
        ("Traceback\nOSError: full\n\n", "OSError: full"),
        ("", "it did not say why"),
    ],
)
def test_the_line_that_says_most(text: str, line: str) -> None:
    assert last_error(text) == line


async def test_a_peer_that_ends_at_its_start_is_unavailable_and_says_why(tmp_path: Path) -> None:
    peer = Program(["-c", "raise SystemExit('no such port')"])
    async with AsyncExitStack() as exits:
        with pytest.raises(Unavailable, match="no such port"):
            await open_peer("one", peer, Path(sys.executable), UPSTREAM, tmp_path, exits)


async def test_a_peer_that_answers_is_a_way(tmp_path: Path) -> None:
    async with serving(Upstream) as url, AsyncExitStack() as exits:
        peer = Program(["-c", "import time; time.sleep(60)"], url)
        way = await open_peer("one", peer, Path(sys.executable), url, tmp_path, exits)
    assert (way.name, way.address, way.exact) == ("one", url, False)
    assert way.ready_s is not None and way.ready_s > 0


async def test_nothing_of_a_program_is_left_running(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    async with running_foreign("one", [sys.executable, "-c", code], tmp_path) as process:
        [parent] = mine(process.name, tmp_path)
        await until(parent.children)
        family = [parent, *parent.children()]
    await until(lambda: not any(alive(one) for one in family))
    assert (process.ended, process.cpu_s(), process.resident_bytes()) == (True, 0, 0)


def alive(process: psutil.Process) -> bool:
    """A zombie is not: whoever inherits it may never ask for it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def mine(name: str, logs: Path) -> list[psutil.Process]:
    """Our children that work in the folder of `name`."""
    folder = str(logs / f"{name}.d")
    return [one for one in psutil.Process().children() if one.cwd() == folder]


def touch(python: Path) -> None:
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()


def recorded(monkeypatch: pytest.MonkeyPatch, *, error: str = "") -> list[list[str]]:
    """The commands that would be run; pip fails with `error`, if there is one."""
    commands: list[list[str]] = []

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(list(command))
        if command[2] == "venv":
            Path(command[3]).mkdir(parents=True)
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.CompletedProcess(command, 1 if error else 0, "", error)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@dataclass(frozen=True)
class Program:
    """A peer that is what `arguments` say, and is said to answer at `address`."""

    arguments: list[str]
    address: str = UPSTREAM
    requirements: tuple[str, ...] = ()
    limits: Limits = field(default=NO_LIMITS)
    exact: bool = False

    async def start(self, place: Place) -> Started:
        process = await place.run("program", self.arguments)
        # What cannot be reached is asked again until its process has ended.
        return Started(self.address, {"program": process})
