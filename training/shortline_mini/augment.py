"""How people really type: polite words around, slips of the finger, any punctuation."""

import re
from random import Random
from typing import Protocol

from training.shortline_mini.knowledge import Knowledge, Language

HAN_OR_WORD = re.compile(r"[\u4e00-\u9fff]|[^\u4e00-\u9fff]+")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ENDINGS: dict[Language, tuple[str, ...]] = {
    "en": ("?", "?", "?", "", "", ".", "??", "!", " ?", "?!", "..."),
    "zh": ("？", "？", "？", "", "", "?", "。", "？？", "！", "吗？", "…"),
}


class Slip(Protocol):
    def __call__(self, text: str, random: Random) -> str: ...


def reworded(text: str, language: Language, knowledge: Knowledge, random: Random) -> str:
    """`text` with polite words, slips and an ending of its own."""
    if random.random() < 0.5:
        text = _loosened(text, language, knowledge, random)
    if random.random() < 0.3:
        before = knowledge.grammar.expand(
            random.choice(knowledge.around[f"before_{language}"]), random
        )
        text = before + (" " if language == "en" else "") + text
    if random.random() < 0.15:
        after = knowledge.grammar.expand(
            random.choice(knowledge.around[f"after_{language}"]), random
        )
        text = text + (" " if language == "en" else "") + after
    return typed(text, language, random)


def _loosened(text: str, language: Language, knowledge: Knowledge, random: Random) -> str:
    """`text` with pieces lost and others from anywhere: what is left are its key words."""
    space = " " if language == "en" else ""
    pieces = text.split() if language == "en" else HAN_OR_WORD.findall(text)
    for _ in range(random.randint(0, max(0, (len(pieces) - 1) // 4))):
        del pieces[random.randrange(len(pieces))]
    fillers = knowledge.around[f"fillers_{language}"]
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        filler = knowledge.grammar.expand(random.choice(fillers), random)
        pieces.insert(random.randint(0, len(pieces)), filler)
    return space.join(pieces)


def typed(text: str, language: Language, random: Random) -> str:
    """`text` as typed by a hurried person."""
    if random.random() < 0.25 and len(text) > 5:
        slips = EN_SLIPS if language == "en" else ZH_SLIPS
        for _ in range(random.choice((1, 1, 2))):
            text = random.choice(slips)(text, random)
    text = _cased(text, random)
    if text and text[-1].isalnum():
        text += random.choice(ENDINGS[language])
    return text


def _cased(text: str, random: Random) -> str:
    draw = random.random()
    if draw < 0.35:
        return text[:1].upper() + text[1:].replace(" i ", " I ").replace("shortline", "Shortline")
    if draw < 0.40:
        return text.upper()
    if draw < 0.45:
        return text.title()
    return text


def _dropped_letter(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + text[at + 1 :]


def _doubled_letter(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + text[at] + text[at:]


def _swapped_letters(text: str, random: Random) -> str:
    at = random.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _wrong_letter(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + random.choice(LETTERS) + text[at + 1 :]


def _wrong_character(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + chr(random.randint(0x4E00, 0x9FA5)) + text[at + 1 :]


def _dropped_word(text: str, random: Random) -> str:
    words = text.split()
    if len(words) < 4:
        return text
    del words[random.randrange(len(words))]
    return " ".join(words)


def _extra_word(text: str, random: Random) -> str:
    words = text.split()
    fillers = ("the", "really", "actually", "just", "a", "please", "even", "some", "exactly", "now")
    words.insert(random.randrange(len(words) + 1), random.choice(fillers))
    return " ".join(words)


def _spaced(text: str, random: Random) -> str:
    """Chinese with a stray space."""
    at = random.randrange(len(text))
    return text[:at] + " " + text[at:]


EN_SLIPS: tuple[Slip, ...] = (
    _dropped_letter, _doubled_letter, _swapped_letters, _wrong_letter,
    _dropped_word, _dropped_word, _extra_word, _extra_word,
)  # fmt: skip
ZH_SLIPS: tuple[Slip, ...] = (
    _dropped_letter, _dropped_letter, _swapped_letters, _wrong_character, _spaced,
)  # fmt: skip
