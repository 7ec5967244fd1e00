"""What the official client gets from the product as it is shipped."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionUserMessageParam

from server.wire.fleet import SECRET_HEADER
from tests.fakes.waiting import until as until_async
from tests.system.launch import CODE, Launch, launched

pytestmark = pytest.mark.system

SECRET = "a-secret-of-this-test-0123456789abcdef"
CHAT_MODEL = "shortline-mini"
EMBEDDING_MODEL = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home = tmp_path_factory.mktemp("shipped") / "home"
    with launched(home, "-a", SHORTLINE_CONTROLLER__SECRET=SECRET) as running:
        yield running


@pytest.fixture
def client(shipped: Launch) -> OpenAI:
    return OpenAI(base_url=shipped.base_url, api_key="any", max_retries=0, timeout=60)


def test_both_bundled_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [EMBEDDING_MODEL, CHAT_MODEL]
    assert client.models.retrieve(CHAT_MODEL).object == "model"


def test_a_chat_is_answered_with_usage(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "What is Shortline?"}],
        temperature=0,
    )
    choice = answer.choices[0]
    assert "Shortline" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("question", ["Which port does the API use?", "你是谁？"])
def test_a_stream_says_the_same_piece_by_piece(client: OpenAI, question: str) -> None:
    turn: ChatCompletionUserMessageParam = {"role": "user", "content": question}
    whole = client.chat.completions.create(model=CHAT_MODEL, messages=[turn], temperature=0)
    pieces, usage, finish = [], None, None
    for chunk in client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[turn],
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 3
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    assert finish == "stop"
    assert usage is not None and whole.usage is not None
    # The second asking need not read the whole prompt again, and says so.
    assert usage.model_dump(exclude={"prompt_tokens_details"}) == whole.usage.model_dump(
        exclude={"prompt_tokens_details"}
    )


def test_a_seed_repeats_and_n_gives_several(client: OpenAI) -> None:
    def ask() -> list[str | None]:
        answer = client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "hello"}],
            temperature=1.5,
            seed=7,
            n=2,
            max_tokens=12,
        )
        return [choice.message.content for choice in answer.choices]

    first = ask()
    assert len(first) == 2
    assert ask() == first


def test_a_stop_text_ends_the_answer_and_is_not_in_it(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "What is Shortline?"}],
        temperature=0,
        stop=["line"],
    )
    assert "line" not in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"


def test_max_tokens_ends_with_length(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "What is Shortline?"}],
        max_completion_tokens=3,
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_a_completion_is_answered(client: OpenAI) -> None:
    answer = client.completions.create(model=CHAT_MODEL, prompt="Shortline is", max_tokens=5)
    assert answer.object == "text_completion"
    assert answer.choices[0].text


def test_embeddings_know_what_is_alike(client: OpenAI) -> None:
    texts = ["a cat on the sofa", "a kitten on the couch", "interest rates rose"]
    data = client.embeddings.create(model=EMBEDDING_MODEL, input=texts).data

    def alike(a: int, b: int) -> float:
        return sum(x * y for x, y in zip(data[a].embedding, data[b].embedding, strict=True))

    assert alike(0, 1) > 0.5 > alike(0, 2)


def test_each_error_has_its_class(client: OpenAI) -> None:
    hello: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-none", messages=hello)
    assert unknown.value.code == "model_not_found"
    assert unknown.value.request_id

    with pytest.raises(openai.BadRequestError) as hot:
        client.chat.completions.create(model=CHAT_MODEL, messages=hello, temperature=9)
    assert hot.value.param == "temperature"

    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(
            model=CHAT_MODEL, messages=[{"role": "user", "content": "word " * 9000}]
        )
    assert long.value.code == "context_length_exceeded"

    with pytest.raises(openai.BadRequestError) as unable:
        client.embeddings.create(model=CHAT_MODEL, input="x")
    assert unable.value.code == "unsupported_model"

    with pytest.raises(openai.APIStatusError) as large:
        client.embeddings.create(model=EMBEDDING_MODEL, input="x" * 3_000_000)
    assert large.value.status_code == 413


async def test_several_at_once_keep_their_answers_apart(shipped: Launch) -> None:
    async with AsyncOpenAI(base_url=shipped.base_url, api_key="any", max_retries=0) as client:

        async def ask(question: str) -> str | None:
            answer = await client.chat.completions.create(
                model=CHAT_MODEL,
                messages=[{"role": "user", "content": question}],
                temperature=0,
            )
            return answer.choices[0].message.content

        questions = ["What is Shortline?", "你是谁？", "Which port does the API use?", "hello"]
        alone = [await ask(question) for question in questions]
        assert await asyncio.gather(*map(ask, questions * 3)) == alone * 3


def worker_stats(shipped: Launch) -> dict[str, int]:
    url = f"{shipped.child(f'model_worker {CHAT_MODEL}').address}/worker/stats"
    stats: dict[str, int] = httpx.get(url, headers={SECRET_HEADER: SECRET}, trust_env=False).json()
    return stats


@pytest.mark.parametrize("stream", [True, False])
async def test_the_model_stops_when_its_client_leaves(shipped: Launch, stream: bool) -> None:
    before = worker_stats(shipped)
    body = {
        "model": CHAT_MODEL,
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 2,
        "logit_bias": {str(token): -100 for token in range(16)},  # never an end
        "stream": stream,
    }
    async with httpx.AsyncClient(base_url=shipped.base_url, trust_env=False) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await client.post("/chat/completions", json=body)
    await until_async(lambda: worker_stats(shipped)["running"] == 0, limit_s=2)
    after = worker_stats(shipped)
    assert after["cancelled"] == before["cancelled"] + 1
    assert after["tokens_after_cancel"] - before["tokens_after_cancel"] <= 1


def test_nothing_secret_is_in_the_logs(shipped: Launch, client: OpenAI) -> None:
    client.chat.completions.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "canary-of-a-prompt"}]
    )
    logs = [file.read_text("utf-8") for file in (shipped.home / "data/logs").iterdir()]
    assert logs
    assert not any("canary-of-a-prompt" in log for log in logs)


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("chat.py", "Shortline"),
        ("embeddings.py", "login form"),
        ("tools.py", "Weather("),
        ("structured.py", "urgency"),
        ("chat.sh", "chat.completion"),
    ],
)
def test_each_example_runs(shipped: Launch, example: str, says: str) -> None:
    command = [sys.executable, f"examples/{example}", "--base-url", shipped.base_url]
    if example.endswith(".sh"):
        command = ["sh", f"examples/{example}", shipped.base_url]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


def test_the_example_of_the_web_chat_runs(shipped: Launch) -> None:
    command = [sys.executable, "examples/web_chat.py", "--base-url", shipped.address("api")]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer, end, _ = done.stdout.rsplit("\n", 2)
    assert "Shortline" in answer
    assert end == "(stop)"


def test_an_answer_has_the_form_that_its_schema_describes(client: OpenAI) -> None:
    colours = ["red", "green", "blue"]
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": colours}, "likes": {"type": "integer", "maximum": 99}},
        "required": ["colour", "likes"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "Which colour do you like?"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "colour", "schema": schema, "strict": True},
        },
    )
    said = json.loads(answer.choices[0].message.content or "")
    assert said["colour"] in colours
    assert -(10**9) < said["likes"] <= 99
    assert answer.choices[0].finish_reason == "stop"


def test_a_schema_that_makes_no_sense_is_the_clients_fault(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "hello"}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "nothing"}, "strict": True},
            },
        )
    assert caught.value.param == "response_format.json_schema.schema"
