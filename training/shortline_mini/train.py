"""Make shortline-mini from nothing: `python -m training.shortline_mini.train`."""

import argparse
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from training.shortline_mini.batches import Batches
from training.shortline_mini.conversations import LONG_TURN_COUNTS, Conversations
from training.shortline_mini.evaluate import BUNDLED, wrong_answers
from training.shortline_mini.grammar import normalised
from training.shortline_mini.held_out import Question, found_in_training, load_held_out
from training.shortline_mini.knowledge import Knowledge, load_knowledge
from training.shortline_mini.model import answer_loss, create_model, save_model
from training.shortline_mini.tokenizer import train_tokenizer

log = logging.getLogger("shortline_mini")
TOKENIZER_CONVERSATIONS = 6_000
WARM_UP_STEPS = 60
MIN_SHARE = 0.05
"""Of the learning rate, at the end of the cosine."""


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    until: float
    """The share of all steps at which it ends."""
    shortened: float
    singles: float
    turns: tuple[int, ...] = LONG_TURN_COUNTS


STAGES = (
    Stage("what to say", until=0.12, shortened=0.0, singles=0.8),
    Stage("when to say it", until=0.65, shortened=0.96, singles=0.94),
    Stage("all together", until=0.85, shortened=0.7, singles=0.7),
    Stage("long talks", until=1.0, shortened=0.6, singles=0.3, turns=(3, 5, 8, 12)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    out: Path
    resume: Path | None
    """Weights and tokenizer to go on from."""
    steps: int
    learning_rate: float
    evaluate_every: int
    seed: int
    talks_only: bool = False
    """Only the last stage: for weights that know everything but long conversations."""


@dataclass(frozen=True, slots=True)
class School:
    """Everything a run needs, made once."""

    knowledge: Knowledge
    held_out: tuple[Question, ...]
    conversations: Conversations
    tokenizer: PreTrainedTokenizerFast
    model: LlamaForCausalLM


def open_school(plan: Plan) -> School:
    torch.manual_seed(plan.seed)
    knowledge, held_out = load_knowledge(), load_held_out()
    found = found_in_training(held_out, knowledge)
    assert not found, f"held-out questions are in the training set: {found}"
    kept_out = frozenset(normalised(question.text) for question in held_out)
    conversations = Conversations(knowledge, Random(plan.seed), kept_out)
    if plan.resume:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(plan.resume)
        model = LlamaForCausalLM.from_pretrained(plan.resume, dtype=torch.float32)
    else:
        tokenizer = train_tokenizer(_texts(conversations))
        model = create_model(tokenizer)
    log.info("parameters: %d", sum(each.numel() for each in model.parameters()))
    return School(knowledge, held_out, conversations, tokenizer, model)


def _texts(conversations: Conversations) -> Iterator[str]:
    for _ in range(TOKENIZER_CONVERSATIONS):
        for message in conversations.take():
            yield message.content


def train(plan: Plan) -> None:
    """Run through the stages of the plan; the last weights are the ones to keep."""
    school = open_school(plan)
    batches = Batches(school.conversations, school.tokenizer, Random(plan.seed + 1))
    optimizer = torch.optim.AdamW(
        school.model.parameters(), plan.learning_rate, (0.9, 0.98), weight_decay=0.05, fused=True
    )
    mean_loss = 0.0
    for step, batch in enumerate(islice(batches, plan.steps), start=1):
        stage = stage_at(step, plan)
        batches.shortened = stage.shortened
        school.conversations.singles = stage.singles
        school.conversations.turn_counts = stage.turns
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * rate_share(step, plan.steps)
        loss = answer_loss(school.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(school.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean_loss += (loss.item() - mean_loss) / min(step, 50)
        if step % 50 == 0:
            log.info("step %d, loss %.4f", step, mean_loss)
        if step % plan.evaluate_every == 0 or step == plan.steps:
            _examine(school)
            save_model(school.model, school.tokenizer, plan.out)


def stage_at(step: int, plan: Plan) -> Stage:
    """Who goes on from weights knows already what to say."""
    if plan.talks_only:
        return STAGES[-1]
    stages = STAGES[1:] if plan.resume else STAGES
    return next(stage for stage in stages if step <= stage.until * plan.steps)


def rate_share(step: int, steps: int) -> float:
    """The share of the learning rate at `step`: a warm-up, then a cosine."""
    warm = min(1.0, step / WARM_UP_STEPS)
    return warm * (MIN_SHARE + (1 - MIN_SHARE) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _examine(school: School) -> None:
    """Log how it does. Nothing is chosen by these answers, or they would be held out no more."""
    school.model.train(False)
    wrong = wrong_answers(school.model, school.tokenizer, school.held_out)
    school.model.train()
    log.info("held out: %d of %d wrong", len(wrong), len(school.held_out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=BUNDLED)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--evaluate-every", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--talks-only", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.pop("threads"))
    train(Plan(**options))


if __name__ == "__main__":
    main()
