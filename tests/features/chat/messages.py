"""Messages as the store makes them."""

from __future__ import annotations

from server.wire.browser import GenerationSettings, Message

MESSAGE_ID = "a" * 32
CONVERSATION_ID = "b" * 32


def message(**fields: object) -> Message:
    return Message.model_validate(
        {
            "id": MESSAGE_ID,
            "conversation_id": CONVERSATION_ID,
            "parent_id": None,
            "chat_type": "chat",
            "query": "What is Shortline?",
            "response": "",
            "status": "running",
            "model": "echo",
            "settings": GenerationSettings(),
            "create_time": 1.0,
            **fields,
        }
    )
