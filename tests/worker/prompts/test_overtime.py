from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from server.core.errors import BadRequest
from server.worker.asked import Chat, Turn
from server.worker.prompts import tokenizing
from server.worker.prompts.overtime import LOOK_S, Overtime, within
from server.worker.prompts.template import compile_template
from server.worker.prompts.tokenizing import Prompter

HI = Chat((Turn("user", "hi"),))
LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
CALLS = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"


def forever() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        try:
            forever()
        except Exception:  # noqa: BLE001 - as templates' helpers may
            continue


@pytest.mark.parametrize("work", [forever, stubborn])
def test_work_without_end_is_ended_in_its_own_thread(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(TimeoutError, match=r"more than 0\.05 s"):
            pool.submit(within, 0.05, work).result(timeout=30)
        assert pool.submit(within, 30, lambda: 7).result(timeout=30) == 7


def test_what_ends_in_time_is_what_it_is() -> None:
    assert within(30, lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        within(30, lambda: 1 // 0)


def test_work_that_ends_just_too_late_has_not_ended() -> None:
    with pytest.raises(TimeoutError):
        within(0.0, lambda: threading.Event().wait(3 * LOOK_S))
    assert within(30, lambda: 7) == 7


def test_threads_are_ended_one_by_one() -> None:
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(within, 0.05, forever)
        well = pool.submit(within, 30, lambda: time.monotonic())
        assert well.result(timeout=30)
        with pytest.raises(TimeoutError):
            late.result(timeout=30)


@pytest.mark.parametrize("source", [LOOPS, CALLS])
def test_a_template_is_such_work(source: str) -> None:
    with pytest.raises(TimeoutError):
        within(0.05, compile_template(source).render)


@pytest.mark.parametrize("source", [LOOPS, CALLS])
def test_who_asks_a_template_that_does_not_end_is_told(
    source: str, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "TEMPLATE_S", 0.05)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = source + "{{ messages[0].content }}"
    with pytest.raises(BadRequest, match="does not end with these messages") as caught:
        Prompter(tokenizer, None).prepare(HI)
    assert caught.value.param == "messages"


def test_no_work_can_take_it_for_an_error_of_its_own() -> None:
    assert not issubclass(Overtime, Exception)
