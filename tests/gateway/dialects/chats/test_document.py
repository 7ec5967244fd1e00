"""Kept chats as OpenAI tells of them."""

from __future__ import annotations

from server.gateway.dialects.chats.document import kept_document, messages_of

ANSWER = {"id": "chatcmpl-1", "choices": [{"message": {"content": "x"}}]}


def test_what_was_asked_for_is_told_with_what_it_means_not_to_say_it() -> None:
    fields = {"model": "m", "user": "u", "seed": 5, "temperature": 0, "messages": []}
    said = kept_document(ANSWER, fields, "req-1", 7.5)
    assert (said["seed"], said["temperature"], said["top_p"]) == (5, 0, 1.0)
    assert (said["input_user"], said["request_id"], said["tools"]) == ("u", "req-1", None)
    assert (said["object"], said["created"], said["model"]) == ("chat.completion", 7, "m")
    assert "messages" not in said


def test_a_choice_has_every_field_whoever_made_it() -> None:
    [choice] = kept_document(ANSWER, {"model": "m"}, "req-1", 7.5)["choices"]
    assert choice == {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": None,
        "message": {"role": "assistant", "content": "x", "refusal": None},
    }


def test_a_message_of_parts_is_told_by_its_parts() -> None:
    text, image = {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "y"}}
    given = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [text, {"type": "file", "file": {}}, image], "name": "n"},
    ]
    one, two = messages_of("chatcmpl-1", given)
    assert (one["id"], one["content"], one["content_parts"]) == ("chatcmpl-1-0", "s", None)
    assert (two["id"], two["content"], two["content_parts"]) == (
        "chatcmpl-1-1",
        None,
        [text, image],
    )
    assert (two["name"], two["refusal"]) == ("n", None)


def test_what_only_fastchat_takes_for_messages_is_one() -> None:
    [message] = messages_of("chatcmpl-1", "hi")
    assert (message["role"], message["content"]) == ("user", "hi")
    assert messages_of("chatcmpl-1", None) == []
