from __future__ import annotations

import subprocess
import sys

import pytest

from server.clients import conversation
from server.clients.conversation import (
    DEFAULT,
    build_prompt,
    template_fields,
    template_for,
    template_names,
)


def test_every_family_has_a_template_that_fastchat_has() -> None:
    names = template_names()
    assert all(template in names for _, template in conversation._FAMILIES)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("lmsys/vicuna-7b-v1.5", "vicuna_v1.1"),
        ("/models/chatglm3-6b/", "chatglm3"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama-2"),
        ("somebody/something", DEFAULT),
    ],
)
def test_a_template_is_chosen_by_the_models_name(path: str, template: str) -> None:
    assert template_for(path) == template


def test_a_prompt_has_system_turns_and_the_beginning_of_the_answer() -> None:
    turns = [("system", "S {x}"), ("user", "a"), ("assistant", "b"), ("user", "")]
    prompt = build_prompt("vicuna_v1.1", turns)
    assert prompt.text == "S {x} USER: a ASSISTANT: b</s>USER:   ASSISTANT:"
    assert build_prompt("zero_shot", turns).stop == ("###",)


def test_an_unknown_template_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        template_fields("nonsense")


def test_it_brings_no_torch() -> None:
    code = (
        "import sys; from server.clients.conversation import build_prompt; "
        "build_prompt('vicuna_v1.1', [('user', 'x')]); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
