"""langchain-tests' own suites for chat models and embeddings, over a gateway that runs already.

`tests/contract/test_langchain.py` runs this file in a process of its own, and says where the
gateway is and what its model can do.
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

URL = os.environ.get("SUITE_URL", "")


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites fetch the pictures and documents that they send."""
    found = httpx.Response(200, content=b"a picture")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: found)


class Chat(ChatModelIntegrationTests):
    """Over a provider, with a model that sees, reads documents, listens, and calls tools."""

    model_name = "ours"
    by_responses = False
    sees = True
    temperature: float | None = None

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            **server(self.model_name),
            "use_responses_api": self.by_responses,
            "stream_usage": True,
            "temperature": self.temperature,
            # Each test has a loop of its own; connections that are shared belong to the first one.
            "http_async_client": httpx.AsyncClient(timeout=30),
        }

    @property
    def model_override_value(self) -> str:
        return "echo"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return self.sees

    @property
    def supports_image_urls(self) -> bool:
        return self.sees

    @property
    def supports_image_tool_message(self) -> bool:
        return self.sees

    @property
    def supports_pdf_inputs(self) -> bool:
        return self.sees

    @property
    def supports_pdf_tool_message(self) -> bool:
        return self.sees

    @property
    def supports_audio_inputs(self) -> bool:
        return self.sees

    @property
    def supports_anthropic_inputs(self) -> bool:
        return self.sees


class TestProvider(Chat):
    pass


class TestProviderByResponses(Chat):
    by_responses = True


class TestEngine(Chat):
    """Over our own engine, with a model that calls tools and reads texts only."""

    model_name = "able"
    sees = False


class TestEngineByResponses(TestEngine):
    by_responses = True


class TestBundled(TestEngine):
    """Over our own engine, with the model that comes with it."""

    model_name = "mini"
    temperature = 0.0


class TestEmbeddings(EmbeddingsIntegrationTests):
    model_name = "minilm"

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        # Otherwise it sends tokens of OpenAI's own models, which are other words here.
        return {**server(self.model_name), "check_embedding_ctx_length": False}


class TestProviderEmbeddings(TestEmbeddings):
    model_name = "ours"


def server(model: str) -> dict[str, Any]:
    return {"base_url": URL, "model": model, "api_key": "any", "max_retries": 0}
