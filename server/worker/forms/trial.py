"""Whether a schema can be compiled in the time and memory that we give it.

Run as a script, in a process of its own: a few lines of schema can ask for hours or for more
memory than there is, and no library can be stopped in the middle. It reads a `Trial` from stdin
and writes what is wrong with the schema to stdout, nothing if it is fine. It loads nothing but
the library, so it starts in a few hundredths of a second.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
from typing import TYPE_CHECKING, Final, TypedDict

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper, __version__

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

CPU_S = 2
MAX_MEMORY_BYTES = 1 << 30
_STACK_BYTES = 1 << 20
"""Less than any thread of the worker has: what passes here overflows no stack there."""
_MAX_MESSAGE = 300


_SPACE: Final = r"( |\n {0,24}|\n\t{0,12})"
"""One, or a new line with an indent: a small model would not stop at what JSON allows."""
_SPACES_ONCE: Final[JsonCompileOptions] = {"whitespace_pattern": _SPACE}
_SPACES_BEHIND: Final[JsonCompileOptions] = {
    "whitespace_flexible": False,
    "item_separator": f",{_SPACE}?",
    "key_separator": ": ?",
}
"""llguidance before 1.9, as vLLM 0.32 wants it, lets the pattern come again and again, so there
is room only behind commas and colons."""
IS_OLD: Final = tuple(map(int, __version__.split(".")[:2])) < (1, 9)
SPACES: Final = _SPACES_BEHIND if IS_OLD else _SPACES_ONCE


class Trial(TypedDict):
    text: str
    """JSON text of a schema, which is an object; or a grammar in Lark."""
    is_lark: bool
    lenient: bool
    """Whether keywords that the grammar cannot express count for nothing; else they are wrong.
    One in Lark says so itself."""


def write_grammar(trial: Trial) -> str:
    """For the library. Raises `ValueError` if the schema is not JSON, or nested too deeply."""
    if trial["is_lark"]:
        return LLMatcher.grammar_from_lark(trial["text"])
    return LLMatcher.grammar_from_json_schema(
        trial["text"],
        overrides={**SPACES, "lenient": trial["lenient"]},
    )


def parser_limits() -> LLParserLimits:
    """Tighter than the library's own; a state takes about 2 kB, and each answer has its own."""
    return LLParserLimits(
        max_grammar_size=200_000,
        max_lexer_states=20_000,
        precompute_large_lexemes=False,  # takes longer the larger the vocabulary is, unlike a trial
        verbose_errors=False,
    )


def build(words: LLTokenizer, trial: Trial) -> LLMatcher:
    """At the beginning of an answer. Raises `ValueError`, saying what is wrong."""
    matcher = LLMatcher(words, write_grammar(trial), log_level=0, limits=parser_limits())
    fault = matcher.get_error()
    if not fault:
        matcher.compute_bitmask()  # a form that nothing fits has no first token
        fault = "nothing fits it, or it is too large" if matcher.is_error() else ""
    if fault:
        raise ValueError(fault)
    return matcher


def fault(trial: Trial) -> str:
    """What is wrong, in one line; empty if nothing is."""
    try:
        build(LLTokenizer(TokenizerWrapper(_Bytes())), trial)
    except ValueError as error:
        message, _, _ = " ".join(str(error).split()).partition(". Enable ")  # our options
        return message[:_MAX_MESSAGE]
    return ""


class _Bytes:
    """A vocabulary that is made in no time: most of the work does not depend on it."""

    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")
    special_token_ids = (256,)
    eos_token_id = 256
    bos_token_id = None

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


def _limit(what: int, most: int) -> None:
    """As far as the system lets us: macOS does not limit memory."""
    try:
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
    except (ValueError, OSError):
        return


def _main() -> None:
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_AS, MAX_MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    trial: Trial = json.load(sys.stdin)
    faults: list[str] = []
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=lambda: faults.append(fault(trial)))
    thread.start()
    thread.join()
    sys.stdout.write(faults[0])  # fails, as it should, when the thread did


if __name__ == "__main__":
    _main()
