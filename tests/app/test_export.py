from __future__ import annotations

import pytest

from server.app.export import as_attachment, safe_name, write_markdown
from server.wire.browser import Conversation, GenerationSettings, Message, Problem


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Plans.md", "Plans.md"),
        ("../../etc/passwd.md", "_.._etc_passwd.md"),
        ("a\r\nSet-Cookie: x.md", "aSet-Cookie_ x.md"),
        ("CON.md", "conversation CON.md"),
        ("con.x.md", "conversation con.x.md"),
        (".md", "conversation.md"),
        ("....md", "conversation.md"),
        ("a\u202egpj.md", "agpj.md"),
        ("-rf.md", "rf.md"),
        ("x" * 300 + ".md", "x" * 80 + ".md"),
        ("你好.md", "你好.md"),
    ],
)
def test_a_files_name_is_one_on_every_system(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_the_header_says_the_name_in_plain_and_in_full() -> None:
    said = as_attachment('5" 你.md')
    assert said == "attachment; filename=\"5_ _.md\"; filename*=UTF-8''5_%20%E4%BD%A0.md"
    assert said.isascii()


def test_an_answer_that_is_not_whole_says_so() -> None:
    settings = GenerationSettings()
    message = Message(
        id="0" * 32,
        conversation_id="1" * 32,
        parent_id=None,
        chat_type="chat",
        query="Why?",
        response="Beca",
        status="interrupted",
        model="m",
        settings=settings,
        error=Problem(code="worker_lost", message="The worker\ndied."),
        create_time=0.0,
    )
    conversation = Conversation(
        id="1" * 32,
        name="A\nname",
        named_by="person",
        pinned=False,
        model="m",
        settings=settings,
        leaf_id=None,
        create_time=0.0,
        update_time=0.0,
    )
    text = write_markdown(conversation, [message]).decode()
    assert text == (
        "# A name\n\n## Question\n\nWhy?\n\n## Answer\n\n*m · 1970-01-01 00:00 UTC*\n\nBeca\n\n"
        "*(interrupted: The worker died.)*\n"
    )
