from __future__ import annotations

import time

import pytest
from jinja2 import TemplateError

from server.worker.prompts.template import compile_template


def test_blocks_leave_no_blank_lines_behind() -> None:
    template = compile_template(
        "{% for word in words %}\n  {% if word %}\n{{ word }}.\n{% endif %}\n{% endfor %}"
    )
    assert template.render(words=["a", "", "b"]) == "a.\nb.\n"


def test_loops_can_be_left_and_gone_on_with() -> None:
    skips = "{% if n == 1 %}{% continue %}{% endif %}{% if n == 3 %}{% break %}{% endif %}"
    source = f"{{% for n in range(9) %}}{skips}{{{{ n }}}}{{% endfor %}}"
    assert compile_template(source).render() == "02"


def test_json_is_written_as_it_is() -> None:
    template = compile_template("{{ value | tojson }} {{ value | tojson(indent=1) }}")
    assert template.render(value=["<é>"]) == '["<é>"] [\n "<é>"\n]'


def test_what_a_template_refuses_is_an_error_with_its_words() -> None:
    with pytest.raises(TemplateError, match="no such role"):
        compile_template("{{ raise_exception('no such role') }}").render()


def test_the_day_can_be_told() -> None:
    assert compile_template("{{ strftime_now('%Y') }}").render() == time.strftime("%Y")


def test_marks_for_a_training_change_nothing() -> None:
    source = "a{% generation %}{{ text }}{% endgeneration %}c"
    assert compile_template(source).render(text="b") == "abc"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__ }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_template_reaches_nothing_outside_and_changes_nothing(source: str) -> None:
    messages: list[int] = []
    try:
        said = compile_template(source).render(messages=messages)
    except (TemplateError, TypeError):
        said = ""
    assert said == ""
    assert messages == []


def test_what_is_no_template_is_an_error() -> None:
    with pytest.raises(TemplateError):
        compile_template("{% if %}")
