"""What shortline-mini knows: intents, their wordings and answers, read from knowledge/*.yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

from training.shortline_mini.grammar import Choice, Grammar, parse

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, Language] = ("en", "zh")
FOLDER = Path(__file__).parent / "knowledge"
NOT_INTENTS = ("macros", "around", "follow_ups")
ANSWER_VALUES = {"millions": "2.4", "millions_zh": "240"}


@dataclass(frozen=True, slots=True)
class Intent:
    id: str
    topic: str
    """The file it stands in; its neighbours there are what "tell me more" leads to."""
    asks: Mapping[Language, tuple[Choice, ...]]
    answers: Mapping[Language, tuple[str, ...]]
    weight: float = 1.0
    """How often it is asked, relative to the others."""
    augment: bool = True
    """Whether polite words may stand around it; they would blur a greeting."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    id: str
    answer: Literal["more", "same", "other_language", "fixed"]
    asks: Mapping[Language, tuple[Choice, ...]]
    fixed: Mapping[Language, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Knowledge:
    grammar: Grammar
    intents: tuple[Intent, ...]
    follow_ups: tuple[FollowUp, ...]
    around: Mapping[str, tuple[Choice, ...]]
    """System prompts, and polite words before and after a question."""

    def intent(self, id: str) -> Intent:
        return next(intent for intent in self.intents if intent.id == id)

    def after(self, intent: Intent) -> Intent:
        """The intent that "tell me more" leads to."""
        if intent.topic == "off_topic":
            return intent
        if intent.topic == "small_talk":
            return self.intent("identity.can")
        same = [other for other in self.intents if other.topic == intent.topic]
        return same[(same.index(intent) + 1) % len(same)]


def load_knowledge(folder: Path = FOLDER) -> Knowledge:
    return Knowledge(
        grammar=Grammar(
            macros={name: parse(text) for name, text in _read(folder / "macros.yaml").items()},
            slots={"n": _number, "gibberish": _gibberish, "gibberish_zh": _gibberish_zh},
        ),
        intents=tuple(_intents(folder)),
        follow_ups=tuple(_follow_up(item) for item in _read(folder / "follow_ups.yaml")),
        around={name: _lines(text, parse) for name, text in _read(folder / "around.yaml").items()},
    )


def _intents(folder: Path) -> Iterator[Intent]:
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in NOT_INTENTS:
            continue
        for item in _read(path):
            yield Intent(
                id=item["id"],
                topic=path.stem,
                asks={language: _lines(item[language], parse) for language in LANGUAGES},
                answers={
                    language: _lines(item[f"{language}_answer"], _filled) for language in LANGUAGES
                },
                weight=item.get("weight", 1.0),
                augment=item.get("augment", True),
            )


def _follow_up(item: dict[str, Any]) -> FollowUp:
    return FollowUp(
        id=item["id"],
        answer=item["answer"],
        asks={language: _lines(item[language], parse) for language in LANGUAGES},
        fixed={
            language: _lines(item.get(f"{language}_answer", ""), _filled) for language in LANGUAGES
        },
    )


def _lines(text: str, read: Any) -> tuple[Any, ...]:
    return tuple(read(line.strip()) for line in text.splitlines() if line.strip())


def _filled(answer: str) -> str:
    for name, value in ANSWER_VALUES.items():
        answer = answer.replace("{" + name + "}", value)
    return answer


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def _number(random: Random) -> str:
    return str(random.randrange(10 ** random.randint(1, 4)))


def _gibberish(random: Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(random.choice(letters) for _ in range(random.randint(3, 9)))


def _gibberish_zh(random: Random) -> str:
    return "".join(chr(random.randint(0x4E00, 0x9FA5)) for _ in range(random.randint(2, 9)))
