"""A tiny grammar for wordings: `(a|b|)` is one of these, `<name>` is a macro or a slot."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

PUNCTUATION = re.compile(r"[\W_]+", re.UNICODE)
TOKEN = re.compile(r"\\(?P<escaped>.)|<(?P<macro>\w+)>|(?P<sign>[()|])|(?P<text>[^\\()|<]+|.)")
Slot = Callable[[Random], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences of texts, macros and further choices."""

    options: tuple[tuple["Part", ...], ...]


@dataclass(frozen=True, slots=True)
class Macro:
    name: str


Part = str | Macro | Choice


def parse(line: str) -> Choice:
    """The tree of one line; raises `ValueError` where its parentheses do not match."""
    stack: list[list[list[Part]]] = [[[]]]
    for found in TOKEN.finditer(line):
        if (sign := found["sign"]) == "(":
            stack.append([[]])
        elif sign == "|":
            stack[-1].append([])
        elif sign == ")":
            if len(stack) == 1:
                raise ValueError(f"a parenthesis too many in {line!r}")
            closed = _choice(stack.pop())
            stack[-1][-1].append(closed)
        else:
            macro = found["macro"]
            text = found["escaped"] or found["text"]
            stack[-1][-1].append(Macro(macro) if macro else text)
    if len(stack) != 1:
        raise ValueError(f"a parenthesis is missing in {line!r}")
    return _choice(stack[0])


def _choice(options: list[list[Part]]) -> Choice:
    return Choice(tuple(tuple(option) for option in options))


@dataclass(frozen=True, slots=True)
class Grammar:
    macros: Mapping[str, Choice]
    slots: Mapping[str, Slot]
    """Words that are made rather than listed: numbers, gibberish."""

    def expand(self, choice: Choice, random: Random) -> str:
        """One random wording, with single spaces."""
        return " ".join(self._expand(choice, random).split())

    def _expand(self, choice: Choice, random: Random) -> str:
        option = random.choice(choice.options)
        return "".join(self._text(part, random) for part in option)

    def _text(self, part: Part, random: Random) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, Choice):
            return self._expand(part, random)
        if part.name in self.slots:
            return self.slots[part.name](random)
        return self._expand(self.macros[part.name], random)

    def pattern(self, choice: Choice) -> str:
        """A regular expression for every normalised wording `choice` can become."""
        return "(?:" + "|".join(self._patterns(option) for option in choice.options) + ")"

    def _patterns(self, option: Sequence[Part]) -> str:
        return "".join(self._pattern(part) for part in option)

    def _pattern(self, part: Part) -> str:
        if isinstance(part, str):
            return re.escape(normalised(part))
        if isinstance(part, Choice):
            return self.pattern(part)
        if part.name in self.slots:
            return r"\d+" if part.name == "n" else "(?!)"
        return self.pattern(self.macros[part.name])


def normalised(text: str) -> str:
    """Lower case letters and digits alone: what two wordings are compared by."""
    return PUNCTUATION.sub("", text.lower())
