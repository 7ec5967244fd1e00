from __future__ import annotations

from typing import Any, Self

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

from server.core.errors import BadRequest, TooLarge, UnsupportedMedia
from server.web.asgi import Message, Receive, Scope
from server.web.bodies import fault_in, read_json, read_json_bytes, read_message


class Word(BaseModel):
    word: str


def request(body: bytes, media: bytes | None = b"application/json") -> tuple[Scope, Receive]:
    headers = [] if media is None else [(b"content-type", media)]

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return {"type": "http", "headers": headers}, receive


@pytest.mark.parametrize("media", [b"application/json", b"Application/JSON; charset=utf-8"])
async def test_json_is_read_as_it_came_and_as_an_object(media: bytes) -> None:
    body = b' {"word": "\xe4\xbd\xa0"}'
    assert await read_json_bytes(*request(body, media), strict=True) == body
    assert await read_json(*request(body, media), strict=True) == {"word": "你"}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("media", [b"text/plain", b"application/jsonp", b""])
async def test_another_content_type_is_refused(media: bytes, strict: bool) -> None:
    with pytest.raises(UnsupportedMedia):
        await read_json(*request(b"{}", media), strict=strict)


async def test_without_a_content_type_only_the_strict_refuse() -> None:
    assert await read_json(*request(b"{}", None)) == {}
    with pytest.raises(UnsupportedMedia):
        await read_json(*request(b"{}", None), strict=True)


async def test_a_body_has_a_limit() -> None:
    with pytest.raises(TooLarge):
        await read_json(*request(b'{"word": "abc"}'), 5)


@pytest.mark.parametrize(("body", "param"), [(b'{"word": 1}', "word"), (b"{}", "word")])
async def test_a_message_that_is_none_names_the_field(body: bytes, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await read_message(Word, *request(body))
    assert caught.value.param == param


async def test_a_message_is_typed() -> None:
    message: Any = await read_message(Word, *request(b'{"word": "a"}'))
    assert message == Word(word="a")


class Part(BaseModel):
    weight: float = Field(gt=0)


class Wish(BaseModel):
    to: tuple[Part | str, ...] | str

    @model_validator(mode="after")
    def _once(self) -> Self:
        if isinstance(self.to, tuple) and len(set(map(str, self.to))) < len(self.to):
            raise ValueError("named more than once.")
        return self


@pytest.mark.parametrize(
    ("value", "message", "param"),
    [
        ({"to": [{"weight": 0}]}, "to.0.weight: Input should be greater than 0.", "to.0.weight"),
        ({"to": ["a", "a"]}, "The body: named more than once.", None),
        ({}, "to: Field required.", "to"),
    ],
)
def test_what_is_wrong_is_told_in_the_clients_words(
    value: object, message: str, param: str | None
) -> None:
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate(value)
    fault = fault_in(caught.value)
    assert (str(fault), fault.param) == (message, param)
