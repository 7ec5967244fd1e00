"""Conversations made fresh from what the model knows: no two epochs are the same."""

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from training.shortline_mini.augment import reworded, typed
from training.shortline_mini.grammar import normalised
from training.shortline_mini.knowledge import LANGUAGES, FollowUp, Intent, Knowledge, Language

LONG_TURN_COUNTS = (2, 2, 3, 5)


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(slots=True)
class Conversations:
    """An endless source of conversations; the same seed gives the same ones."""

    knowledge: Knowledge
    random: Random
    kept_out: frozenset[str] = frozenset()
    """Normalised wordings that must never be said."""
    singles: float = 0.8
    """The share of conversations of one turn; those teach the most in the least time."""
    turn_counts: tuple[int, ...] = LONG_TURN_COUNTS
    """How long the others are, each as likely."""
    weights: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = [intent.weight for intent in self.knowledge.intents]

    def take(self) -> list[Message]:
        random = self.random
        language = random.choice(LANGUAGES)
        messages = [Message("system", self._system())] if random.random() < 0.25 else []
        last: tuple[Intent, Language] | None = None
        single = random.random() < self.singles
        for _ in range(1 if single else random.choice(self.turn_counts)):
            if last and random.random() < 0.3:
                said, last = self._follow_up(*last)
            elif not last and random.random() < 0.015:
                said = self._lost(language)
            else:
                if random.random() < 0.1:
                    language = random.choice(LANGUAGES)
                last = (self._intent(), language)
                said = self._ask(*last)
            messages += said
        return messages

    def _intent(self) -> Intent:
        return self.random.choices(self.knowledge.intents, self.weights)[0]

    def _ask(self, intent: Intent, language: Language) -> list[Message]:
        while normalised(question := self._question(intent, language)) in self.kept_out:
            pass
        if self.random.random() < 0.02:
            question = self._with_passages(question, language)
        answer = self.random.choice(intent.answers[language])
        return [Message("user", question), Message("assistant", answer)]

    def _question(self, intent: Intent, language: Language) -> str:
        text = self.knowledge.grammar.expand(self.random.choice(intent.asks[language]), self.random)
        if intent.augment and self.random.random() < 0.85:
            return reworded(text, language, self.knowledge, self.random)
        return typed(text, language, self.random) if self.random.random() < 0.6 else text

    def _with_passages(self, question: str, language: Language) -> str:
        """A question under found text, as a knowledge base asks it."""
        off_topic = self.knowledge.intent("off_topic")
        count = self.random.choice((1, 2, 4, 8, 16, 32))
        passages = "\n".join(
            f"[{number}] {self._question(off_topic, language)}" for number in range(1, count + 1)
        )
        if language == "zh":
            return f"根据以下资料回答问题。\n{passages}\n问题：{question}"
        return f"Use the following context to answer.\n{passages}\nQuestion: {question}"

    def _lost(self, language: Language) -> list[Message]:
        """A follow-up with nothing before it."""
        follow_up = self.random.choice(self.knowledge.follow_ups)
        answer = self.knowledge.intent("talk.sorry").answers[language][0]
        return [Message("user", self._words(follow_up, language)), Message("assistant", answer)]

    def _follow_up(
        self, intent: Intent, language: Language
    ) -> tuple[list[Message], tuple[Intent, Language]]:
        follow_up = self.random.choice(self.knowledge.follow_ups)
        words = Message("user", self._words(follow_up, language))
        if follow_up.answer == "fixed":
            answers = follow_up.fixed[language]
        else:
            if follow_up.answer == "more":
                intent = self.knowledge.after(intent)
            elif follow_up.answer == "other_language":
                language = "zh" if language == "en" else "en"
            answers = intent.answers[language]
        return [words, Message("assistant", self.random.choice(answers))], (intent, language)

    def _words(self, follow_up: FollowUp, language: Language) -> str:
        line = self.random.choice(follow_up.asks[language])
        return typed(self.knowledge.grammar.expand(line, self.random), language, self.random)

    def _system(self) -> str:
        line = self.random.choice(self.knowledge.around["systems"])
        return self.knowledge.grammar.expand(line, self.random)
