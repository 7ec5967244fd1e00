"""Questions the model never saw in training, and a simple grader for its answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from training.shortline_mini.grammar import normalised
from training.shortline_mini.knowledge import FollowUp, Intent, Knowledge, Language

FILE = Path(__file__).parent / "held_out.yaml"


@dataclass(frozen=True, slots=True)
class Question:
    language: Language
    text: str
    all: tuple[str, ...]
    """Every one of these must be in the answer, in any case."""
    any: tuple[str, ...] = ()
    """At least one of these, if there are any."""

    def is_answered_by(self, answer: str) -> bool:
        answer = answer.lower()
        return all(word.lower() in answer for word in self.all) and (
            not self.any or any(word.lower() in answer for word in self.any)
        )


def load_held_out(file: Path = FILE) -> tuple[Question, ...]:
    items = yaml.safe_load(file.read_text("utf-8"))
    return tuple(
        Question(
            language=item["language"],
            text=item["text"],
            all=tuple(str(word) for word in item.get("all", ())),
            any=tuple(str(word) for word in item.get("any", ())),
        )
        for item in items
    )


def found_in_training(questions: Sequence[Question], knowledge: Knowledge) -> list[str]:
    """The questions that some wording in `knowledge` can become; none, or training stops."""
    patterns = [re.compile(pattern) for pattern in _patterns(knowledge)]
    return [
        question.text
        for question in questions
        if any(pattern.fullmatch(normalised(question.text)) for pattern in patterns)
    ]


def _patterns(knowledge: Knowledge) -> Iterator[str]:
    everything: list[Intent | FollowUp] = [*knowledge.intents, *knowledge.follow_ups]
    for asked in everything:
        for lines in asked.asks.values():
            for line in lines:
                yield knowledge.grammar.pattern(line)
