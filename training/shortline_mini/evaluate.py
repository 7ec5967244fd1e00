"""Ask a saved model the held-out questions: `python -m training.shortline_mini.evaluate`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.shortline_mini.held_out import FILE, Question, load_held_out

BUNDLED = Path(__file__).parents[2] / "server" / "worker" / "bundled" / "shortline-mini"
ANSWER_TOKENS = 112


def answers(
    model: Any, tokenizer: Any, chats: Sequence[Sequence[dict[str, str]]], temperature: float = 0
) -> list[str]:
    """What the model answers to each of `chats`, all in one batch; greedily at temperature 0."""
    prompts = [
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        for chat in chats
    ]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    sampling: dict[str, Any] = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature
        else {"do_sample": False, "temperature": None}
    )
    with torch.inference_mode():
        made = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=ANSWER_TOKENS,
            **sampling,
        )
    start = inputs["input_ids"].shape[1]
    return [tokenizer.decode(row[start:], skip_special_tokens=True).strip() for row in made]


def wrong_answers(
    model: Any, tokenizer: Any, questions: Sequence[Question], temperature: float = 0
) -> list[tuple[str, str]]:
    """The questions answered wrongly, each with its answer."""
    chats = [[{"role": "user", "content": question.text}] for question in questions]
    answered = answers(model, tokenizer, chats, temperature)
    return [
        (question.text, answer)
        for question, answer in zip(questions, answered, strict=True)
        if not question.is_answered_by(answer)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUNDLED)
    parser.add_argument("--questions", type=Path, default=FILE)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    model: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    questions = load_held_out(options.questions)
    wrong = wrong_answers(model, tokenizer, questions, options.temperature)
    for question, answer in wrong:
        sys.stdout.write(f"{question}\n    {answer}\n")
    sys.stdout.write(f"{len(questions) - len(wrong)} of {len(questions)} right\n")


if __name__ == "__main__":
    main()
