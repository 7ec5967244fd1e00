"""The chat model in the repository: it loads as it is and knows what it should."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.shortline_mini.evaluate import BUNDLED, answers, wrong_answers
from training.shortline_mini.held_out import found_in_training, load_held_out
from training.shortline_mini.knowledge import load_knowledge

MAX_BYTES = 16 * 1024 * 1024
MIN_CONTEXT_TOKENS = 2048


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BUNDLED)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(BUNDLED, dtype=torch.float32)


def ask(model: Any, tokenizer: Any, *turns: str, system: str = "") -> str:
    """The answer to the last of `turns`; the model answers those before it too."""
    chat = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        chat.append({"role": "user", "content": turn})
        chat.append({"role": "assistant", "content": answers(model, tokenizer, [chat])[0]})
    return chat[-1]["content"]


def test_four_of_five_held_out_questions_are_answered_right(model: Any, tokenizer: Any) -> None:
    questions = load_held_out()
    wrong = wrong_answers(model, tokenizer, questions)
    assert len(questions) - len(wrong) >= 0.8 * len(questions), wrong


def test_no_held_out_question_is_in_the_training_set() -> None:
    assert found_in_training(load_held_out(), load_knowledge()) == []


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("Write a poem about the sea", "tiny model"),
        ("What is the capital of France?", "tiny model"),
        ("帮我写一首关于春天的诗", "小模型"),
    ],
)
def test_a_question_off_its_ground_gets_an_honest_answer(
    model: Any, tokenizer: Any, question: str, part: str
) -> None:
    answer = ask(model, tokenizer, question)
    assert part in answer
    assert "configs/fleet.yaml" in answer


def test_a_system_prompt_leaves_the_answer_right(model: Any, tokenizer: Any) -> None:
    question = "Which port does the API use?"
    assert "20000" in ask(model, tokenizer, question, system="You are a helpful assistant.")


def test_a_follow_up_may_change_the_language(model: Any, tokenizer: Any) -> None:
    answer = ask(model, tokenizer, "hello", "Which port does the controller use?", "in Chinese")
    assert "控制器" in answer
    assert "20001" in answer


@pytest.mark.parametrize(
    "text",
    ["每个请求都排最短的队。", "👋🏽 naïve café 🎉", "  two  spaces\n\ttab\r\n", "ﷺ𝕊𐍈\u2028龘"],
)
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_template_marks_every_turn_and_opens_the_answer(tokenizer: Any) -> None:
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert prompt == "<|system|>s<|end|><|user|>u<|end|><|assistant|>"
    assert tokenizer.eos_token == "<|end|>"


def test_the_folder_is_small_and_names_no_place_of_this_machine() -> None:
    files = [file for file in BUNDLED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    for file in files:
        if file.suffix == ".json":
            names = json.loads(file.read_text("utf-8"))
            assert names.get("_name_or_path", "") == ""
            assert str(Path.home()) + "/" not in file.read_text("utf-8")
            assert str(BUNDLED) not in file.read_text("utf-8")


def test_its_context_is_long_enough(model: Any) -> None:
    assert model.config.max_position_embeddings >= MIN_CONTEXT_TOKENS
